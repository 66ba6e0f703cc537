"""docker's config.json and credential helpers."""

from __future__ import annotations

import base64
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from modelpack.errors import DocumentError, InputError, ModelPackError, NoSpace, NotFound
from modelpack.store import Credential, DockerConfig, StaticCredentials
from modelpack.store.http import credentials as module

HELPER = """#!/bin/sh
# A credential helper that keeps one file for each server.
folder="$(dirname "$0")/kept"
mkdir -p "$folder"
case "$1" in
get)
  server="$(cat | tr '/:' '__')"
  if [ -f "$folder/$server" ]; then cat "$folder/$server"; else echo "credentials not found in native keychain"; exit 1; fi;;
store) document="$(cat)"; server="$(printf %s "$document" | sed 's/.*"ServerURL": "\\([^"]*\\)".*/\\1/' | tr '/:' '__')"
  printf %s "$document" > "$folder/$server";;
erase) rm -f "$folder/$(cat | tr '/:' '__')";;
esac
"""


def write(path: Path, document: Any) -> DockerConfig:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return DockerConfig(path)


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def config(tmp_path: Path) -> DockerConfig:
    return DockerConfig(tmp_path / "docker" / "config.json")


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker-credential-fake"
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return program


def test_static_credentials() -> None:
    known = StaticCredentials({"r.example": Credential("user", "canary")})
    assert known.get("r.example") == Credential("user", "canary")
    assert known.get("other.example") is None
    assert "canary" not in repr(known) + repr(Credential("user", "canary", "canary"))


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("r.example", "r.example"),
        ("r.example:5000", "r.example:5000"),
        ("https://r.example", "r.example"),
        ("http://r.example", "r.example"),
        ("https://r.example/v1/", "r.example"),
        ("https://r.example/v2/", "r.example"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
    ],
)
def test_where_tools_keep_a_host(tmp_path: Path, key: str, host: str) -> None:
    config = write(tmp_path / "config.json", {"auths": {key: auth("user", "pass:word")}})
    assert config.get(host) == Credential("user", "pass:word")
    assert config.get("other.example") is None


@pytest.mark.parametrize(
    ("entry", "credential"),
    [
        ({}, None),
        ({"auth": ""}, None),
        ({"username": "u", "password": "p"}, Credential("u", "p")),
        (auth("u", "p\0"), Credential("u", "p")),
        ({"identitytoken": "t"}, Credential("", "", "t")),
        ({**auth("00000000-0000", ""), "identitytoken": "t"}, Credential("00000000-0000", "", "t")),
        (auth("ü", "ñ"), Credential("ü", "ñ")),
    ],
)
def test_an_entry(tmp_path: Path, entry: dict[str, str], credential: Credential | None) -> None:
    assert write(tmp_path / "config.json", {"auths": {"r.example": entry}}).get("r.example") == credential


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ({"auths": []}, "auths: an object is required"),
        ({"auths": {"r.example": "x"}}, "an object is required"),
        ({"auths": {"r.example": {"auth": "canary!"}}}, "not base64 of user:password"),
        ({"auths": {"r.example": {"auth": "/////w=="}}}, "not base64 of user:password"),
        ({"credHelpers": {"r.example": 5}}, "a string is required"),
    ],
)
def test_a_damaged_file(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        write(tmp_path / "config.json", document).get("r.example")
    assert "canary" not in str(caught.value)


def test_no_file_means_no_credentials(config: DockerConfig) -> None:
    assert config.get("r.example") is None
    with pytest.raises(NotFound, match=r"not logged in to r.example"):
        config.erase("r.example")


def test_an_empty_file(tmp_path: Path) -> None:
    assert write(tmp_path / "config.json", "").get("r.example") is None


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        DockerConfig(tmp_path).get("r.example")


def test_login_and_logout(config: DockerConfig) -> None:
    config.path.parent.mkdir()
    write(config.path, {"auths": {"other.example": auth("o", "p")}, "psFormat": "kept"})
    assert config.store("r.example", Credential("user", "canary")) == str(config.path)
    assert config.store("docker.io", Credential("hub", "canary")) == str(config.path)
    assert config.get("r.example") == Credential("user", "canary")
    assert config.get("docker.io") == Credential("hub", "canary")
    document = json.loads(config.path.read_text())
    assert list(document["auths"]) == ["other.example", "r.example", "https://index.docker.io/v1/"]
    assert document["psFormat"] == "kept"
    config.erase("r.example")
    assert config.get("r.example") is None
    assert config.get("other.example") == Credential("o", "p")


def test_only_the_user_may_read_it(config: DockerConfig) -> None:
    config.store("r.example", Credential("user", "canary"))
    config.path.chmod(0o644)
    left = config.path.with_name("config.json.modelpack-new")
    left.write_text("of a run that was killed")
    left.chmod(0o666)
    config.store("r.example", Credential("user", "canary"))
    assert stat.S_IMODE(config.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.path.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in config.path.parent.iterdir()) == ["config.json", "config.json.lock"]


def test_a_link_stays_a_link(tmp_path: Path, config: DockerConfig) -> None:
    real = tmp_path / "dotfiles" / "docker.json"
    real.parent.mkdir()
    real.write_text("{}")
    config.path.parent.mkdir()
    config.path.symlink_to(real)
    config.store("r.example", Credential("user", "canary"))
    assert config.path.is_symlink()
    assert "r.example" in real.read_text()


def test_logins_at_the_same_time_lose_nothing(config: DockerConfig) -> None:
    hosts = [f"r{number}.example" for number in range(12)]
    threads = [threading.Thread(target=config.store, args=(host, Credential(host, "p"))) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [config.get(host) for host in hosts] == [Credential(host, "p") for host in hosts]


def test_a_write_that_fails_leaves_the_old_file(config: DockerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    config.store("r.example", Credential("user", "old"))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    with pytest.raises(NoSpace, match="no space left for"):
        config.store("r.example", Credential("user", "new"))
    monkeypatch.undo()
    assert config.get("r.example") == Credential("user", "old")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        DockerConfig(tmp_path / "file" / "config.json").store("r.example", Credential("u", "p"))


@pytest.mark.parametrize("setting", [{"credsStore": "fake"}, {"credHelpers": {"r.example": "fake"}}])
def test_a_helper(tmp_path: Path, helper: Path, setting: dict[str, Any]) -> None:
    config = write(tmp_path / "config.json", setting)
    assert config.get("r.example") is None
    assert config.store("r.example", Credential("user", "canary")) == "docker-credential-fake"
    assert config.get("r.example") == Credential("user", "canary")
    assert "canary" not in config.path.read_text()
    config.erase("r.example")
    assert config.get("r.example") is None


def test_a_helper_that_knows_the_url(tmp_path: Path, helper: Path) -> None:
    config = write(tmp_path / "config.json", {"credsStore": "fake"})
    kept = helper.parent / "kept"
    kept.mkdir()
    (kept / "https___r.example").write_text('{"ServerURL":"https://r.example","Username":"u","Secret":"s"}')
    (kept / "https___index.docker.io_v1_").write_text('{"Username":"<token>","Secret":"identity"}')
    assert config.get("r.example") == Credential("u", "s")
    assert config.get("docker.io") == Credential("", "", "identity")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo canary; echo canary >&2; exit 3", r"failed to get \(exit code 3\)"),
        ("echo canary", "not JSON"),
        ("echo '[]'", "not a JSON object"),
        ("""echo '{"Username":5}'""", "a string is required"),
    ],
)
def test_a_helper_that_fails(tmp_path: Path, helper: Path, script: str, message: str) -> None:
    helper.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(ModelPackError, match=message) as caught:
        write(tmp_path / "config.json", {"credsStore": "fake"}).get("r.example")
    assert "canary" not in str(caught.value) + caught.value.hint


def test_a_helper_that_hangs(tmp_path: Path, helper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(module, "_HELPER_TIMEOUT", 0.1)
    with pytest.raises(InputError, match="docker-credential-fake could not be run"):
        write(tmp_path / "config.json", {"credsStore": "fake"}).get("r.example")


def test_a_helper_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="docker-credential-absent could not be run") as caught:
        write(tmp_path / "config.json", {"credsStore": "absent"}).get("r.example")
    assert "PATH" in caught.value.hint


@pytest.mark.parametrize("name", ["../evil", "a b", "a;b", "/bin/sh"])
def test_a_helper_is_a_name_not_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is not the name of a credential helper"):
        write(tmp_path / "config.json", {"credsStore": name}).get("r.example")
