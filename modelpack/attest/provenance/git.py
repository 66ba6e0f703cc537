"""Which commit a working copy is at, asked of git itself."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from modelpack.attest.inventory.origins import without_login
from modelpack.attest.provenance.model import Material
from modelpack.errors import InputError

_TIMEOUT = 60
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SSH = re.compile(r"(?:[^@/\s]+@)?([A-Za-z0-9.-]+):(?!/)(\S+)")
# A hostile working copy could name programs to run in its configuration.
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks")


@dataclass(frozen=True, slots=True)
class GitState:
    """``remote`` is where it was cloned from, without user and password (``""``: nowhere). ``dirty`` means changed files."""

    commit: str
    remote: str
    branch: str
    dirty: bool

    def material(self) -> Material:
        """The dependency that provenance lists."""
        uri = f"git+{self.remote}" if self.remote else f"git:{self.commit}"
        at = f"@refs/heads/{self.branch}" if self.branch and self.remote else ""
        return Material(
            f"{uri}{at}", "source", {"gitCommit": self.commit}, annotations={"dirty": "true"} if self.dirty else {}
        )


def read_git(folder: Path) -> GitState:
    """The state of a working copy. Raises InputError if it is none, or there is no git."""
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if not _COMMIT.fullmatch(commit):
        raise InputError(f"git names no commit in {folder}")
    return GitState(
        commit,
        _public(_git(folder, "config", "--get", "remote.origin.url", missing=True)),
        _git(folder, "symbolic-ref", "--short", "-q", "HEAD", missing=True),
        bool(_git(folder, "status", "--porcelain", "--ignore-submodules=none")),
    )


def _public(remote: str) -> str:
    """A remote as others can use it: ``git@host:path`` as ``ssh://host/path``; a local folder is nobody else's business."""
    if "://" in remote:
        url = without_login(remote.partition("?")[0])
        return "" if url.startswith("file:") else url
    if match := _SSH.fullmatch(remote):
        return f"ssh://{match[1]}/{match[2]}"
    return ""


def _git(folder: Path, *arguments: str, missing: bool = False) -> str:
    """What git says, without its line end; with ``missing``, ``""`` where it knows nothing."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *_SAFE, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        raise InputError("git cannot be run", hint="install git, or give the commit yourself") from None
    if done.returncode and not missing:
        raise InputError(f"{folder} is no git working copy with a commit", hint="commit first, or name its folder")
    return "" if done.returncode else done.stdout.decode("utf-8", "replace").strip()
