from __future__ import annotations

from pathlib import Path

import pytest

from modelpack.errors import InputError, InvalidReference
from modelpack.store import TLS, HttpOptions, Proxies, Registry
from modelpack.store.http import Origin, split_host

PLAIN = [
    # host, plain HTTP by default
    ("localhost", True),
    ("localhost:5000", True),
    ("registry.localhost", True),
    ("127.0.0.1", True),
    ("127.1.2.3:80", True),
    ("[::1]:5000", True),
    ("registry.example", False),
    ("10.0.0.1:5000", False),
    ("localhost.example", False),
    ("[2001:db8::1]", False),
]


@pytest.mark.parametrize(("host", "plain"), PLAIN)
def test_plain_http_is_for_this_machine_only(host: str, plain: bool) -> None:
    assert HttpOptions().scheme(host) == ("http" if plain else "https")
    assert HttpOptions(plain_http=True).scheme(host) == "http"
    assert HttpOptions(plain_http=False).scheme(host) == "https"
    assert HttpOptions(tls=TLS(ca_file=Path("ca.pem"))).scheme(host) == "https"


NO_PROXY = [
    # rule, host, port, whether the host is reached directly
    ("registry.example", "registry.example", 443, True),
    ("registry.example", "a.registry.example", 443, True),
    ("registry.example", "notregistry.example", 443, False),
    ("registry.example", "registry.example.evil", 443, False),
    (".registry.example", "a.registry.example", 443, True),
    (".registry.example", "registry.example", 443, True),
    ("*.registry.example", "a.registry.example", 443, True),
    ("*.registry.example", "aregistry.example", 443, False),
    ("Registry.Example", "REGISTRY.example", 443, True),
    (" registry.example ", "registry.example", 443, True),
    ("registry.example:8443", "registry.example", 8443, True),
    ("registry.example:8443", "registry.example", 443, False),
    ("registry.example:port", "registry.example", 443, False),
    ("*", "registry.example", 443, True),
    ("*", "10.0.0.1", 443, True),
    ("", "registry.example", 443, False),
    (".", "registry.example", 443, False),
    ("localhost", "localhost", 80, True),
    ("localhost", "127.0.0.1", 80, False),
    ("127.0.0.1", "127.0.0.1", 80, True),
    ("127.0.0.1:80", "127.0.0.1", 80, True),
    ("127.0.0.1:81", "127.0.0.1", 80, False),
    ("0.0.1", "10.0.0.1", 80, False),
    ("10.0.0.0/8", "10.1.2.3", 443, True),
    ("10.1.2.3/8", "10.200.0.1", 443, True),
    ("10.0.0.0/8", "11.0.0.1", 443, False),
    ("10.0.0.0/8", "registry.example", 443, False),
    ("10.0.0.0/99", "10.1.2.3", 443, False),
    ("10.0.0.0/8", "2001:db8::1", 443, False),
    ("2001:db8::/32", "2001:db8::1", 443, True),
    ("::1", "::1", 443, True),
    ("[::1]", "::1", 443, True),
    ("[::1]:5000", "::1", 5000, True),
    ("[::1]:5000", "::1", 443, False),
    ("2001:0DB8::1", "2001:db8::1", 443, True),
    ("2001:db8::2", "2001:db8::1", 443, False),
    ("[::1", "::1", 443, False),
]


@pytest.mark.parametrize(("rule", "host", "port", "direct"), NO_PROXY)
def test_no_proxy(rule: str, host: str, port: int, direct: bool) -> None:
    proxies = Proxies(http="http://proxy", https="http://proxy", no_proxy=("unrelated.example", rule))
    assert proxies.for_origin("https", host, port) == ("" if direct else "http://proxy")


def test_a_proxy_for_each_scheme() -> None:
    proxies = Proxies(http="one", https="two")
    assert proxies.for_origin("http", "r.example", 80) == "one"
    assert proxies.for_origin("https", "r.example", 443) == "two"
    assert Proxies(http="one").for_origin("https", "r.example", 443) == ""
    assert Proxies().for_origin("http", "r.example", 80) == ""


@pytest.mark.parametrize("url", ["socks5://proxy:1080", "https://proxy", "http://", "http://proxy:port", "http://a b"])
def test_a_proxy_that_cannot_be_used(url: str) -> None:
    options = HttpOptions(proxies=Proxies(http=url, https=url))
    with pytest.raises(InputError, match="proxy's URL") as caught:
        Registry("localhost:1", options).ping()
    assert "HTTPS_PROXY" in caught.value.hint


def test_tls_files_that_cannot_be_used(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("this is not a certificate")
    for tls in (TLS(ca_file=tmp_path / "absent"), TLS(ca_file=garbage), TLS(certificate=garbage)):
        with pytest.raises(InputError, match="cannot use the CA or client certificate"):
            Registry("localhost:1", HttpOptions(tls=tls)).ping()


ORIGINS = [
    ("https://r.example/v2/", "https://r.example:443"),
    ("http://r.example", "http://r.example:80"),
    ("http://R.Example:5000/x?y#z", "http://r.example:5000"),
    ("https://user:secret@r.example/", "https://r.example:443"),
    ("https://[::1]:5000/", "https://[::1]:5000"),
    ("https://under_score.example./", "https://under_score.example.:443"),
]


@pytest.mark.parametrize(("url", "origin"), ORIGINS)
def test_an_origin(url: str, origin: str) -> None:
    assert str(Origin.of(url)) == origin


@pytest.mark.parametrize(
    "url",
    ["", "ftp://r.example/", "//r.example", "https://", "https:///x", "https://a b/", "https://a\tb\x7f/", "https://é/",
     "https://[::1/", "https://[x]/", "https://r.example:99999/", "https://r.example:x/", f"https://{'a' * 64}/",
     f"https://{'a.' * 127}aa/", "https://a..b/", "https://a%20b/"],
)  # fmt: skip
def test_not_an_origin(url: str) -> None:
    with pytest.raises(ValueError):
        Origin.of(url)


def test_split_host() -> None:
    assert split_host("r.example") == ("r.example", None)
    assert split_host("[::1]:5000") == ("::1", 5000)


@pytest.mark.parametrize("host", ["", "a b", "r.example:port", "r.example:99999", "[::1", "r.example/x y", "user@"])
def test_a_registry_needs_a_host(host: str) -> None:
    with pytest.raises(InvalidReference, match="not a registry host"):
        Registry(host)
