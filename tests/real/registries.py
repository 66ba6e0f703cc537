"""Registries to test against: CNCF distribution, the one inside crane, and our own."""

from __future__ import annotations

import contextlib
import itertools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt

from tests.real.process import serving
from tests.real.tools import tool

if TYPE_CHECKING:
    from modelpack.store.http import HttpOptions, StaticCredentials
    from tests.real.certificates import Authority
    from tests.real.tokens import TokenServer

_names = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that runs. ``host`` is ``127.0.0.1:PORT``; ``ca`` is None if it speaks plain HTTP."""

    kind: str
    host: str
    ca: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    referrers: bool = False
    deletes: bool = True

    @property
    def url(self) -> str:
        """Scheme and host."""
        return f"{'https' if self.ca else 'http'}://{self.host}"

    @property
    def options(self) -> HttpOptions:
        """What our client needs to reach it."""
        from modelpack.store.http import TLS, HttpOptions

        return HttpOptions(plain_http=self.ca is None, tls=TLS(ca_file=self.ca))

    @property
    def credentials(self) -> StaticCredentials:
        """What our client needs to be let in."""
        from modelpack.store.http import Credential, StaticCredentials

        known = {self.host: Credential(self.username, self.password)} if self.username else {}
        return StaticCredentials(known)

    def repository(self, stem: str = "models/tiny") -> str:
        """``host/name`` of a repository that no other test uses."""
        return f"{self.host}/{stem}-{next(_names)}"


@contextlib.contextmanager
def distribution(
    *, authority: Authority | None = None, login: tuple[str, str] | None = None, tokens: TokenServer | None = None
) -> Iterator[Registry]:
    """Debian's docker-registry (CNCF distribution 2.8): delete works, no referrers API. TLS, htpasswd or tokens if asked."""
    with tempfile.TemporaryDirectory(prefix="distribution-") as name:
        folder = Path(name)

        def command(port: int) -> list[str]:
            config: dict[str, Any] = {
                "version": 0.1,
                "log": {"level": "warn", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": f"{folder}/data"}, "delete": {"enabled": True}},
                "http": {"addr": f"127.0.0.1:{port}", "relativeurls": False},
            }
            if authority:
                config["http"]["tls"] = {"certificate": str(authority.server), "key": str(authority.server_key)}
            if tokens:
                config["auth"] = tokens.registry_config()
            elif login:
                config["auth"] = _htpasswd(folder, *login)
            (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
            return [tool("docker-registry"), "serve", "config.yml"]

        ca = authority.ca if authority else None
        user = (tokens.username, tokens.password) if tokens else login or ("", "")
        with serving(command, folder) as port:
            yield Registry("distribution", f"127.0.0.1:{port}", ca, *user)


def _htpasswd(folder: Path, username: str, password: str) -> dict[str, object]:
    # bcrypt is the only kind that distribution takes; 4 rounds, since it is checked on every request.
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"{username}:{hashed}\n")
    return {"htpasswd": {"realm": "tests", "path": f"{folder}/htpasswd"}}


@contextlib.contextmanager
def crane_registry() -> Iterator[Registry]:
    """The registry in go-containerregistry's crane, on disk."""
    with tempfile.TemporaryDirectory(prefix="crane-registry-") as name:
        folder = Path(name)
        (folder / "data").mkdir()

        def command(port: int) -> list[str]:
            return [tool("crane"), "registry", "serve", "--address", f"127.0.0.1:{port}", "--disk", "data"]

        with serving(command, folder) as port:
            yield Registry("crane", f"127.0.0.1:{port}")


@contextlib.contextmanager
def own_registry(*, authority: Authority | None = None, login: tuple[str, str] | None = None) -> Iterator[Registry]:
    """``modelpack serve``, in this process: the only one of the three that has the referrers API."""
    from modelpack.serve import Server
    from modelpack.store import LayoutStore

    tls = (authority.server, authority.server_key) if authority else None
    ca = authority.ca if authority else None
    with (
        tempfile.TemporaryDirectory(prefix="own-registry-") as name,
        LayoutStore(name) as layout,
        Server(layout, tls=tls, credentials=dict([login]) if login else None) as server,
    ):
        yield Registry("modelpack", server.host, ca, *(login or ("", "")), referrers=True)
