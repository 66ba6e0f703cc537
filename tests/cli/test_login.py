from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelpack.serve import Server
from modelpack.store import LayoutStore
from tests.cli.models import FILES, content
from tests.cli.program import modelpack
from tests.cli.terminal import Terminal

PASSWORD = "s3cret:with colon"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """A registry that knows alice."""
    with Server(LayoutStore(tmp_path / "guarded"), credentials={"alice": PASSWORD}) as server:
        yield server.host


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A docker configuration that somebody else wrote."""
    path = tmp_path / "docker" / "config.json"
    path.parent.mkdir()
    path.write_text('{"auths": {"other.example": {"auth": "YTpi"}}, "currentContext": "desktop"}')
    return path


def test_there_and_back(guarded: str, config: Path, folder: Path) -> None:
    reference = f"{guarded}/ml/tiny:v1"
    modelpack("pack", folder, "-t", reference, "--push").failed(5, "hint: ")
    ran = modelpack("login", guarded, "-u", "alice", "--password-stdin", input=f"{PASSWORD}\n").done()
    assert (ran.out, ran.err) == ("", f"logged in to {guarded}; credentials are in {config}\n")
    kept = json.loads(config.read_text())
    assert kept["auths"][guarded] == {"auth": base64.b64encode(f"alice:{PASSWORD}".encode()).decode()}
    assert kept["auths"]["other.example"] == {"auth": "YTpi"}
    assert kept["currentContext"] == "desktop"
    assert config.stat().st_mode & 0o77 == 0
    modelpack("pack", folder, "-t", reference, "--push").done()
    modelpack("pull", reference, "-o", "out").done()
    assert set(content(Path("out"))) == set(FILES)
    assert modelpack("logout", guarded).done().err == f"logged out of {guarded}\n"
    assert list(json.loads(config.read_text())["auths"]) == ["other.example"]
    modelpack("inspect", reference, "-r").failed(5)
    modelpack("logout", guarded).failed(5, f"not logged in to {guarded}")


def test_a_wrong_password_is_not_kept(guarded: str, config: Path) -> None:
    before = config.read_bytes()
    ran = modelpack("login", guarded, "-u", "alice", "--password-stdin", input="wr0ng").failed(5)
    assert "wr0ng" not in ran.err
    assert config.read_bytes() == before


def test_json_and_quiet(guarded: str, config: Path) -> None:
    options = ["-u", "alice", "--password-stdin"]
    told = modelpack("login", guarded, *options, "-f", "json", input=PASSWORD).done()
    assert (told.json, told.err) == ({"registry": guarded, "credentials": str(config)}, "")
    assert modelpack("logout", guarded, "-f", "json").done().json == {"registry": guarded}
    assert modelpack("login", guarded, *options, "-q", input=PASSWORD).done().err == ""
    assert modelpack("logout", guarded, "-q").done().err == ""


def test_questions_on_a_terminal(guarded: str, config: Path) -> None:
    with Terminal("login", guarded) as terminal:
        terminal.wait_for("Username: ")
        terminal.press("alice\n")
        terminal.wait_for("Password: ")
        terminal.press(f"{PASSWORD}\n")
        assert terminal.ended() == 0
    assert PASSWORD not in terminal.seen
    assert f"logged in to {guarded}" in terminal.seen
    assert guarded in json.loads(config.read_text())["auths"]


def test_wrong_use(guarded: str) -> None:
    modelpack("login", guarded).failed(2, "no terminal to ask for a password on", "hint: use --password-stdin")
    modelpack("login", guarded, "--password-stdin").failed(2, "--password-stdin needs --username")


@pytest.mark.parametrize(
    ("host", "message", "hint"),
    [
        ("registry.example/team", "'registry.example/team' is not a registry host", "host alone: registry.example"),
        ("registry", "'registry' is not a registry host", "a host has a dot or a port: registry:443"),
        ("", "'' is not a registry host", "registry.example or localhost:5000"),
        ("a b.example", "'a b.example' is not a registry host", "host or host:port"),
    ],
)
def test_a_password_goes_to_no_other_host(host: str, message: str, hint: str) -> None:
    modelpack("login", host, "-u", "a", "--password-stdin", input="secret").failed(2, message, hint)
