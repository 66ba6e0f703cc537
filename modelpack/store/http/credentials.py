"""Credentials for registries, as docker keeps them: ``config.json`` with ``auths``, ``credHelpers`` and ``credsStore``."""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from modelpack.errors import InputError, NoSpace, NotFound
from modelpack.oci import JSONObject, loads_object
from modelpack.oci.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOCKER_HUB = "https://index.docker.io/v1/"
_HELPER_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Credential:
    """A user and a secret; or an identity token, which is exchanged for access tokens (OAuth 2, as Azure's registries do)."""

    username: str
    secret: str = field(repr=False)
    identity_token: str = field(default="", repr=False)


class Credentials(Protocol):
    """Where credentials come from."""

    def get(self, host: str) -> Credential | None:
        """The credential for a registry host (``host[:port]``), or None for anonymous access."""
        ...


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Credentials that the caller holds, by host."""

    by_host: dict[str, Credential] = field(default_factory=dict, repr=False)

    def get(self, host: str) -> Credential | None:
        """The credential for a host, or None."""
        return self.by_host.get(host)


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """A docker ``config.json``; it need not exist. Helpers are programs ``docker-credential-NAME`` on the ``PATH``."""

    path: Path

    def get(self, host: str) -> Credential | None:
        """The credential for a host, or None. Raises DocumentError, InputError (a helper that fails)."""
        config = self._read()
        if helper := self._helper(config, host):
            return _from_helper(helper, host)
        auths = config.object("auths")
        for key in _keys(host):
            if key in auths.value:
                return _from_entry(auths.object(key))
        return None

    def store(self, host: str, credential: Credential) -> str:
        """Keep a credential; where it went (the file, or a helper's name)."""
        with self._locked():
            config = self._read()
            if helper := self._helper(config, host):
                entry = {"ServerURL": _keys(host)[0], "Username": credential.username, "Secret": credential.secret}
                _run_helper(helper, "store", json.dumps(entry))
                return f"docker-credential-{helper}"
            login = f"{credential.username}:{credential.secret}".encode()
            auths = dict(config.object("auths").value)
            auths[_keys(host)[0]] = {"auth": base64.b64encode(login).decode()}
            self._write({**config.value, "auths": auths})
        return str(self.path)

    def erase(self, host: str) -> None:
        """Forget a credential. Raises NotFound if there is none."""
        with self._locked():
            config = self._read()
            if helper := self._helper(config, host):
                _run_helper(helper, "erase", _keys(host)[0])
                return
            auths = {key: value for key, value in config.object("auths").value.items() if key not in _keys(host)}
            if len(auths) == len(config.object("auths").value):
                raise NotFound(f"not logged in to {host}")
            self._write({**config.value, "auths": auths})

    def _read(self) -> Fields:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b"{}"
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror}") from error
        return Fields(loads_object(data or b"{}", str(self.path)), str(self.path))

    def _write(self, document: JSONObject) -> None:
        with _file_errors(self.path):
            place = self.path.resolve()  # a config.json that is a link (dotfile managers) stays one
            temporary = place.with_name(f"{place.name}.modelpack-new")
            temporary.unlink(missing_ok=True)  # of a run that was killed
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(document, file, indent="\t")
            temporary.replace(place)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _file_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @staticmethod
    def _helper(config: Fields, host: str) -> str:
        helpers = config.mapping("credHelpers")
        name = next((helpers[key] for key in _keys(host) if key in helpers), config.text("credsStore", ""))
        if name and not name.replace("-", "").replace("_", "").isalnum():
            raise InputError(f"{name!r} is not the name of a credential helper")
        return name


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"no space left for {path}") from error
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _keys(host: str) -> list[str]:
    """The names under which docker and others keep a host."""
    if host in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        return [_DOCKER_HUB, "docker.io", "index.docker.io", "registry-1.docker.io"]
    return [host, f"https://{host}", f"http://{host}", f"https://{host}/v1/", f"https://{host}/v2/"]


def _from_entry(entry: Fields) -> Credential | None:
    token = entry.text("identitytoken", "")
    auth = entry.text("auth", "")
    try:
        username, _, secret = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        entry.fail("auth", "not base64 of user:password")
    username, secret = username or entry.text("username", ""), secret.rstrip("\0") or entry.text("password", "")
    return Credential(username, secret, token) if username or token else None


def _from_helper(helper: str, host: str) -> Credential | None:
    for key in _keys(host)[:2]:
        output = _run_helper(helper, "get", key)
        if output is None:
            continue
        fields = Fields(loads_object(output, f"docker-credential-{helper}"), f"docker-credential-{helper}")
        username, secret = fields.text("Username", ""), fields.text("Secret", "")
        return Credential("", "", secret) if username == "<token>" else Credential(username, secret)
    return None


def _run_helper(helper: str, verb: str, text: str) -> bytes | None:
    """A helper's output; None if it has no credentials for that key."""
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, verb], input=text.encode(), capture_output=True, timeout=_HELPER_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"the credential helper {program} could not be run", hint=f"is {program} on the PATH?"
        ) from error
    if done.returncode == 0:
        return done.stdout
    if b"credentials not found" in done.stdout.lower() + done.stderr.lower():
        return None
    raise InputError(f"the credential helper {program} failed to {verb} (exit code {done.returncode})")
