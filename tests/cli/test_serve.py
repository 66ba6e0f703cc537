"""serve, as far as it ends by itself; the rest is in test_processes.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelpack import LayoutStore
from modelpack.serve import Server
from tests.cli.program import modelpack
from tests.real.certificates import Authority


@pytest.fixture
def _stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes as soon as the server is up."""

    def interrupt(_: Server) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", interrupt)


@pytest.mark.usefixtures("_stopped")
def test_serve_until_ctrl_c() -> None:
    ran = modelpack("serve", "layout", "-p", "0").done()
    assert ran.out.startswith("http://127.0.0.1:")
    assert ran.err == "stopped\n"
    assert LayoutStore("layout", create=False).tags() == ()
    assert modelpack("serve", "layout", "-p", "0", "-q").done().err == ""


@pytest.mark.usefixtures("_stopped")
def test_who_can_reach_it() -> None:
    warning = "anybody who reaches 0.0.0.0 can read and write this store\n"
    assert modelpack("serve", "layout", "-p", "0", "--host", "0.0.0.0").done().err == f"{warning}stopped\n"
    read_only = modelpack("serve", "layout", "-p", "0", "--host", "0.0.0.0", "--read-only").done()
    assert read_only.err.startswith("anybody who reaches 0.0.0.0 can read this store\n")


@pytest.mark.usefixtures("_stopped")
def test_https(authority: Authority) -> None:
    options = ["--cert-file", str(authority.server), "--key-file", str(authority.server_key)]
    assert modelpack("serve", "layout", "-p", "0", *options).done().out.startswith("https://127.0.0.1:")
    modelpack("serve", "layout", *options[:2]).failed(2, "--cert-file and --key-file go together")


def test_what_cannot_be_served(registry: str) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    modelpack("serve", "mine", "-p", "0").failed(2, "is not an OCI layout and not empty", "hint: name a new folder")
    taken = registry.partition(":")[2]
    modelpack("serve", "layout", "-p", taken).failed(2, f"cannot listen on 127.0.0.1 port {taken}", "another port")
