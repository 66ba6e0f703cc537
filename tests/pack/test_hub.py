from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelpack.errors import (
    AccessDenied,
    DigestMismatch,
    InputError,
    NoSpace,
    NotFound,
    Unavailable,
    UnsupportedFormat,
)
from modelpack.oci import Digest, ModelConfig
from modelpack.pack import HubModel, Snapshot, check_lfs, execute, fetch_snapshot, parse_hub
from modelpack.pack.planning import plan
from modelpack.store import Event, MemoryStore
from tests.pack.hub_server import COMMIT, FakeHub

FILES = {
    ".gitattributes": b"*.bin filter=lfs\n",
    "config.json": b"{}",
    "model.safetensors": b"w" * 5000,
    "sub/other.bin": b"v" * 3000,
}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(FILES) as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "hub"


def test_fetches_one_commit(hub: FakeHub, cache: Path) -> None:
    events: list[Event] = []
    snapshot = fetch_snapshot("org/tiny", endpoint=hub.endpoint + "/", cache_dir=cache, observe=events.append)
    assert snapshot.commit == COMMIT
    assert snapshot.path == cache / "models--org--tiny" / "snapshots" / COMMIT
    assert {name: (snapshot.path / name).read_bytes() for name in FILES} == FILES
    assert (snapshot.path / "config.json").is_symlink()
    assert snapshot.lfs == {name: Digest.of(FILES[name]) for name in ("model.safetensors", "sub/other.bin")}
    assert snapshot.overrides == {"source_url": f"{hub.endpoint}/org/tiny", "revision": COMMIT}
    total = sum(map(len, FILES.values()))
    assert [events[0], events[-1]] == [Event("begin", "hf://org/tiny", total), Event("end", "hf://org/tiny", total)]
    assert sum(event.count for event in events) == total
    asked = [path for method, path, _ in hub.requests if method == "GET"]
    assert asked[0] == "/api/models/org/tiny/revision/main"
    assert all(COMMIT in path for path in asked[1:])


def test_a_second_time_comes_from_the_cache(hub: FakeHub, cache: Path) -> None:
    first = fetch_snapshot("org/tiny", COMMIT, endpoint=hub.endpoint, cache_dir=cache)
    hub.requests.clear()
    assert fetch_snapshot("org/tiny", "refs/pr/1", endpoint=hub.endpoint, cache_dir=cache) == first
    assert not [path for _, path, _ in hub.requests if "/resolve/" in path]


def test_can_be_packed_and_checked(hub: FakeHub, cache: Path) -> None:
    snapshot = fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache)
    decided = plan(snapshot.path)
    assert (decided.name, decided.notes) == ("tiny", ("left out .gitattributes: hidden",))
    packed = execute(decided, MemoryStore(), ModelConfig(name="tiny"))
    assert {path: digest for path, digest in packed.files.items() if path in snapshot.lfs} == snapshot.lfs
    check_lfs(packed, snapshot)


def test_damage_in_the_cache_is_found(hub: FakeHub, cache: Path) -> None:
    snapshot = fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache)
    (snapshot.path / "model.safetensors").resolve().write_bytes(b"X" * 5000)
    packed = execute(plan(snapshot.path), MemoryStore(), ModelConfig(name="tiny"))
    with pytest.raises(DigestMismatch, match=r"model.safetensors is sha256:"):
        check_lfs(packed, snapshot)


def test_include_and_exclude(hub: FakeHub, cache: Path) -> None:
    snapshot = fetch_snapshot(
        "org/tiny", endpoint=hub.endpoint, cache_dir=cache, include=["*.json", "*.bin"], exclude=["sub/*"]
    )
    assert [path.name for path in snapshot.path.rglob("*") if path.is_file()] == ["config.json"]
    with pytest.raises(NotFound, match="no files that match"):
        fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache, include=["*.onnx"])


def test_sends_only_the_token_it_was_given(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_from_the_environment")
    with FakeHub(FILES) as hub:
        fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache)
        assert {authorization for _, _, authorization in hub.requests} == {""}
    with FakeHub(FILES, token="hf_secret") as hub:
        assert (
            fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache / "2", token="hf_secret").commit == COMMIT
        )
        with pytest.raises(AccessDenied, match="not open to everybody") as caught:
            fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache / "3", token="hf_wrong")
        assert "hf_wrong" not in str(caught.value) + caught.value.hint


def test_a_gated_model(cache: Path) -> None:
    with FakeHub(FILES, gated=True) as hub, pytest.raises(AccessDenied, match="is gated") as caught:
        fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache)
    assert "conditions" in caught.value.hint


def test_what_is_not_there(hub: FakeHub, cache: Path) -> None:
    with pytest.raises(NotFound, match="org/missing at main is not on the Hub"):
        fetch_snapshot("org/missing", endpoint=hub.endpoint, cache_dir=cache)
    with pytest.raises(NotFound, match="no revision 'v9'"):
        fetch_snapshot("org/tiny", "v9", endpoint=hub.endpoint, cache_dir=cache)
    with pytest.raises(InputError, match="not a name of a repository"):
        fetch_snapshot("org/../x", endpoint=hub.endpoint, cache_dir=cache)


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/api/models/org/tiny/revision", 403, AccessDenied),
        ("/api/models/org/tiny/revision", 500, Unavailable),
        ("/api/models/org/tiny/tree", 403, AccessDenied),
        ("/api/models/org/tiny/tree", 404, NotFound),
        ("/org/tiny/resolve", 403, AccessDenied),
        ("/org/tiny/resolve", 404, NotFound),
    ],
)
def test_answers_that_are_errors(hub: FakeHub, cache: Path, path: str, status: int, error: type[Exception]) -> None:
    hub.fail[path] = status
    with pytest.raises(error) as caught:
        fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache)
    assert "\n" not in str(caught.value)


def test_nobody_answers(hub: FakeHub, cache: Path) -> None:
    endpoint = hub.endpoint
    hub.__exit__(None, None, None)
    with pytest.raises(Unavailable, match="cannot download org/tiny at main: Connect"):
        fetch_snapshot("org/tiny", endpoint=endpoint, cache_dir=cache)


@pytest.mark.parametrize("commit", ["", "main", "../../x", "A" * 40])
def test_an_answer_without_a_commit(cache: Path, commit: str) -> None:
    with FakeHub(FILES, commit=commit) as hub, pytest.raises(Unavailable, match="which commit"):
        fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache)


def test_a_digest_that_is_none(cache: Path) -> None:
    with FakeHub(FILES, lies={"model.safetensors": "x"}) as hub, pytest.raises(Unavailable, match="makes no sense"):
        fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a\\b", "a\nb", "x" * 300])
def test_names_are_checked_before_the_download(cache: Path, name: str) -> None:
    with FakeHub({**FILES, name: b"x"}) as hub:
        with pytest.raises(InputError, match="file name"):
            fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache)
        assert len(hub.requests) == 1
        assert fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache, include=["config.json"])


def test_bounds_the_number_of_files(hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["modelpack.pack.hub"], "MAX_FILES", 3)
    with pytest.raises(InputError, match="more than 3 files"):
        fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache)


def test_what_the_observer_raises_comes_out(hub: FakeHub, cache: Path) -> None:
    def refuse(event: Event) -> None:
        if event.action == "bytes":
            raise InputError("stop")

    with pytest.raises(InputError, match="stop"):
        fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache, observe=refuse)


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, NoSpace), (errno.EDQUOT, NoSpace), (errno.EACCES, Unavailable)]
)
def test_errors_of_the_disk(
    hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "disk")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(error):
        fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache)


def test_without_the_package(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match="is not installed") as caught:
        fetch_snapshot("org/tiny", cache_dir=cache)
    assert caught.value.hint == "pip install 'modelpack-toolkit[hub]'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://org/name", HubModel("org/name", "main")),
        ("hf://models/org/name", HubModel("org/name", "main")),
        ("hf://gpt2", HubModel("gpt2", "main")),
        ("hf://org/name.v-1@v1.0", HubModel("org/name.v-1", "v1.0")),
        ("hf://org/name@refs/pr/1", HubModel("org/name", "refs/pr/1")),
    ],
)
def test_parse(text: str, expected: HubModel) -> None:
    assert parse_hub(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "org/name",
        "https://org/name",
        "hf://",
        "hf:///name",
        "hf://org/",
        "hf://org/name/file.bin",
        "hf://org/name@",
        "hf://org/na me",
        "hf://org/../name",
        "hf://org/na--me",
        "hf://org/name@a\nb",
        "hf://org/" + "x" * 97,
    ],
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(InputError):
        parse_hub(text)


def test_parse_refuses_data_sets() -> None:
    with pytest.raises(UnsupportedFormat):
        parse_hub("hf://datasets/org/name")


def test_files_that_are_not_in_lfs_are_not_compared(hub: FakeHub, cache: Path) -> None:
    snapshot = fetch_snapshot("org/tiny", endpoint=hub.endpoint, cache_dir=cache)
    packed = execute(plan(snapshot.path), MemoryStore(), ModelConfig())
    check_lfs(packed, Snapshot("org/tiny", hub.endpoint, snapshot.path, COMMIT, {"elsewhere": Digest.of(b"")}))
