"""containerd's hosts.toml: what it says, where it is looked for, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError, InputError, ModelPackError
from modelpack.store import TLS, Mirror, Mirrors
from modelpack.store.mirrors import load_hosts, parse_hosts
from modelpack.store.mirrors.hosts import MAX_FILE

HERE = Path("/certs.d/registry.example")

EXAMPLE = """
server = "https://registry.example"

[host."https://mirror.example:5000"]
  capabilities = ["pull", "resolve"]
  ca = "mirror.pem"
  client = [["client.cert", "/keys/client.key"]]
  dial_timeout = "3s"
  [host."https://mirror.example:5000".header]
    x-token = "abc"
    X-Several = ["a", "b"]

[host."http://cache.example/registry"]
  capabilities = ["pull"]

[host."https://harbor.example/v2/proxy/"]
  override_path = true
  capabilities = ["PULL"]
  ca = ["a.pem", "b.pem", "/c.pem"]
"""


def parse(text: str) -> tuple[Mirror, ...]:
    return parse_hosts(text.encode(), HERE)


def test_an_example() -> None:
    assert parse(EXAMPLE) == (
        Mirror(
            "https://mirror.example:5000/v2",
            resolve=True,
            tls=TLS(HERE / "mirror.pem", HERE / "client.cert", Path("/keys/client.key")),
            headers=(("x-token", "abc"), ("X-Several", "a, b")),
        ),
        Mirror("http://cache.example/registry/v2"),
        Mirror(
            "https://harbor.example/v2/proxy",
            tls=TLS(HERE / "a.pem", more_ca_files=(HERE / "b.pem", Path("/c.pem"))),
        ),
        Mirror("https://registry.example/v2", resolve=True),
    )


def test_secrets_in_headers_are_not_shown() -> None:
    assert "abc" not in repr(parse(EXAMPLE))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("[host]", ()),
        ('server = ""', ()),
        ('[host."mirror.example"]', (Mirror("https://mirror.example/v2", resolve=True),)),
        ('[host."https://m.example/"]', (Mirror("https://m.example/v2", resolve=True),)),
        ('[host."https://m.example/v2/"]', (Mirror("https://m.example/v2", resolve=True),)),
        ('[host."https://m.example//a/../b"]', (Mirror("https://m.example/b/v2", resolve=True),)),
        ('[host."https://m.example"]\noverride_path = true', (Mirror("https://m.example", resolve=True),)),
        ('[host."https://m.example"]\ncapabilities = ["push"]', (Mirror("https://m.example/v2", pull=False),)),
        (
            '[host."https://m.example"]\ncapabilities = ["resolve"]',
            (Mirror("https://m.example/v2", pull=False, resolve=True),),
        ),
        (
            'server = "m.example"\nskip_verify = true\ncapabilities = ["pull"]',
            (Mirror("https://m.example/v2", tls=TLS(insecure_skip_verify=True)),),
        ),
        (
            '[host."https://m.example"]\ncapabilities = ["pull"]\nclient = "both.pem"',
            (Mirror("https://m.example/v2", tls=TLS(certificate=HERE / "both.pem")),),
        ),
        (
            '[host."https://m.example"]\ncapabilities = ["pull"]\nclient = ["both.pem"]',
            (Mirror("https://m.example/v2", tls=TLS(certificate=HERE / "both.pem")),),
        ),
        (
            '[host."https://m.example"]\ncapabilities = ["pull"]\nclient = [["both.pem", ""]]',
            (Mirror("https://m.example/v2", tls=TLS(certificate=HERE / "both.pem")),),
        ),
    ],
)
def test_what_is_said(text: str, expected: tuple[Mirror, ...]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("=", "", "not TOML"),
        ("a = 1\na = 2", "", "not TOML"),
        ("a = " + "[" * 100_000, "", "nested too deeply"),
        ("host = 1", "host", "an object"),
        ('[host]\n"https://m.example" = 1', "host['https://m.example']", "an object"),
        ("server = 1", "server", "a string"),
        ('server = "ftp://m.example"', "server", "not an http"),
        ('[host."https://a b"]', "host['https://a b']", "not a host name"),
        ('[host."https://m.example/?x=1"]', "host['https://m.example/?x=1']", "query"),
        ('[host."https://user@m.example"]', "host['https://user@m.example']", "credentials"),
        ('[host."https://m.example:99999"]', "host['https://m.example:99999']", "ort"),
        ('server = "m"\ncapabilities = "pull"', "capabilities", "an array"),
        ('server = "m"\ncapabilities = ["fly"]', "capabilities", "'fly' is none of"),
        ('server = "m"\nca = 1', "ca", "an array"),
        ('server = "m"\nca = [1]', "ca[0]", "a string"),
        ('server = "m"\nskip_verify = "yes"', "skip_verify", "true or false"),
        ('server = "m"\noverride_path = 1', "override_path", "true or false"),
        ('server = "m"\nclient = 1', "client", "a file"),
        ('server = "m"\nclient = [1]', "client[0]", "a file"),
        ('server = "m"\nclient = [["a", "b", "c"]]', "client[0]", "a file"),
        ('server = "m"\nclient = ["a", "b"]', "client", "more than one"),
        ('server = "m"\n[header]\nx = 1', "header.x", "an array"),
        ('server = "m"\n[header]\nx = "a\\nb"', "header.x", "printable"),
        ('server = "m"\n[header]\nx = "\u00e9"', "header.x", "printable"),
        ('server = "m"\n[header]\n"a b" = "c"', "header['a b']", "not a header"),
        ('server = "m"\n[header]\nContent-Length = "3"', "header.Content-Length", "not a header"),
        ("".join(f'[host."https://m{number}.example"]\n' for number in range(65)), "host", "more than 64"),
        ("#" * (MAX_FILE + 1), "", "more than"),
    ],
)
def test_nonsense_is_refused_with_its_place(text: str, path: str, reason: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    assert (caught.value.document, caught.value.path) == ("hosts.toml", path)
    assert reason in caught.value.reason


def test_other_encodings_are_refused() -> None:
    with pytest.raises(DocumentError, match="UTF-8"):
        parse_hosts(b"\xff", HERE)


_VALUES = st.recursive(
    st.sampled_from(["true", "1", "1.5", '"pull"', '"https://m.example"', "2020-01-01", '"a.pem"', "{}"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=5,
)
_KEYS = st.sampled_from(
    ["server", "capabilities", "ca", "client", "skip_verify", "override_path", "header", "host", "x"]
)


@settings(deadline=None, max_examples=100)
@given(root=st.dictionaries(_KEYS, _VALUES, max_size=5), host=st.dictionaries(_KEYS, _VALUES, max_size=5))
def test_whatever_it_says_the_error_is_ours(root: dict[str, str], host: dict[str, str]) -> None:
    lines = [f"{key} = {value}" for key, value in root.items() if key != "host"]
    lines += ['[host."https://mirror.example"]', *(f"{key} = {value}" for key, value in host.items())]
    try:
        mirrors = parse("\n".join(lines))
    except ModelPackError:
        return
    assert all(mirror.url.startswith("https://") for mirror in mirrors)


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).mkdir()
        (folder / name / "hosts.toml").write_text(f'[host."https://{len(name)}.example"]')
    return folder


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (["r.example_5000_", "r.example:5000", "_default"], "r.example_5000_"),
        (["r.example:5000", "r.example", "_default"], "r.example:5000"),
        (["r.example", "_default"], "_default"),
        (["r.example"], None),
        ([], None),
    ],
)
def test_where_it_is_looked_for(there: list[str], found: str | None, tmp_path: Path) -> None:
    mirrors = load_hosts(write(tmp_path, *there), "r.example:5000")
    assert [mirror.host for mirror in mirrors] == ([f"{len(found)}.example"] if found else [])


def test_a_registry_without_a_port(tmp_path: Path) -> None:
    assert [mirror.host for mirror in load_hosts(write(tmp_path, "r.example", "_default"), "r.example")] == [
        "9.example"
    ]


def test_a_folder_without_the_file_ends_the_search(tmp_path: Path) -> None:
    (write(tmp_path, "_default") / "r.example").mkdir()
    assert load_hosts(tmp_path, "r.example") == ()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "r.example" / "hosts.toml").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot read"):
        load_hosts(tmp_path, "r.example")


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        Mirrors(folder=tmp_path / "none").of("r.example")


def test_mirrors_for_all_come_first(tmp_path: Path) -> None:
    (first,) = everywhere = (Mirror.parse("first.example"),)
    assert Mirrors(everywhere).of("r.example") == everywhere
    hosts = Mirrors(everywhere, write(tmp_path, "r.example")).of("r.example")
    assert [mirror.host for mirror in hosts] == [first.host, "9.example"]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("mirror.example", "https://mirror.example/v2"),
        ("mirror.example:5000/team", "https://mirror.example:5000/team/v2"),
        ("localhost:5000", "http://localhost:5000/v2"),
        ("127.0.0.1", "http://127.0.0.1/v2"),
        ("http://mirror.example/v2", "http://mirror.example/v2"),
    ],
)
def test_a_mirror_by_its_url(text: str, url: str) -> None:
    mirror = Mirror.parse(text)
    assert (mirror.url, mirror.pull, mirror.resolve, mirror.tls) == (url, True, False, None)


@pytest.mark.parametrize(
    "text", ["", "ftp://m.example", "a b", "https://", "https://user:s3cret@m.example", "m:x", "[::1"]
)
def test_what_is_no_mirror(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Mirror.parse(text)
    assert "s3cret" not in str(caught.value)


def test_more_authorities_are_trusted(authority: Any, tmp_path: Path) -> None:
    context = TLS(more_ca_files=(authority.ca,)).context()
    assert any(("commonName", "modelpack test CA") in part for ca in context.get_ca_certs() for part in ca["subject"])
    with pytest.raises(InputError, match="cannot use the CA"):
        TLS(more_ca_files=(tmp_path / "none",)).context()
