"""Models from a Hugging Face Hub (or another server with its API), through the :mod:`huggingface_hub` package.

Its own environment variables and token files are not used for what is passed here: endpoint, token and cache are arguments.
"""

from __future__ import annotations

import errno
import glob
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelpack.errors import (
    AccessDenied,
    DigestMismatch,
    InputError,
    InvalidDigest,
    ModelPackError,
    NoSpace,
    NotFound,
    Unavailable,
    UnsupportedFormat,
)
from modelpack.oci import Digest
from modelpack.pack.execute import Packed
from modelpack.pack.files import MAX_FILES, check_path
from modelpack.paths import Glob
from modelpack.store import Event, Observer, ignore

ENDPOINT = "https://huggingface.co"

_NAME = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_OTHER_TYPES = ("datasets", "spaces", "kernels", "buckets")


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository (``"org/name"``) and a revision of it: branch, tag or commit."""

    repo_id: str
    revision: str = "main"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of one commit, in a cache. ``lfs`` are the SHA-256 digests that the Hub has for its large files."""

    repo_id: str
    endpoint: str
    path: Path
    commit: str
    lfs: Mapping[str, Digest] = field(hash=False)

    @property
    def overrides(self) -> dict[str, str | tuple[str, ...]]:
        """What the place says about the model, by field of :class:`modelpack.oci.ModelConfig`."""
        return {"source_url": f"{self.endpoint}/{self.repo_id}", "revision": self.commit}


def parse_hub(text: str) -> HubModel:
    """``hf://org/name@revision`` (the revision may be left out). Raises InputError, UnsupportedFormat (not a model)."""
    scheme, _, rest = text.partition("://")
    repo_id, at, revision = rest.partition("@")
    repo_id = repo_id.removeprefix("models/")
    parts = repo_id.split("/")
    if scheme == "hf" and parts[0] in _OTHER_TYPES and len(parts) > 1:
        raise UnsupportedFormat(f"{text[:200]!r} is not a model", hint="only models can be packed")
    if scheme != "hf" or len(parts) > 2 or not all(map(_NAME.fullmatch, parts)):
        raise InputError(
            f"not a model on a Hub: {text[:200]!r}", hint="hf://organisation/name or hf://organisation/name@revision"
        )
    if (at and not revision) or not revision.isprintable():
        raise InputError(f"no revision after the '@' of {text[:200]!r}")
    return HubModel(repo_id, revision or "main")


def fetch_snapshot(
    repo_id: str,
    revision: str = "main",
    *,
    cache_dir: Path,
    token: str = "",
    endpoint: str = ENDPOINT,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    jobs: int = 8,
    observe: Observer = ignore,
) -> Snapshot:
    """Download one revision of a model, or find it in the cache, and pin it to its commit.

    ``include`` and ``exclude`` are patterns as for :func:`modelpack.pack.plan`; with ``include``, only what matches.

    Raises InputError (huggingface_hub is not installed; a name that cannot be packed), NotFound, AccessDenied (gated, private),
    Unavailable, NoSpace.
    """
    # False: no token that somebody logged in with; only the one that was passed.
    access = {"endpoint": endpoint.rstrip("/"), "token": token or False, "library_name": "modelpack"}
    try:
        info = _package().HfApi(**access).model_info(repo_id, revision=revision, files_metadata=True)
    except Exception as error:  # the transport's errors have another base in each of its versions
        raise _mapped(error, repo_id, revision) from error
    commit = info.sha or ""
    if not _COMMIT.fullmatch(commit):
        raise Unavailable(f"{endpoint} does not say which commit {revision!r} of {repo_id} is")
    files = _select(info, repo_id, include, exclude)
    total = sum(files.values())
    name = f"hf://{repo_id}"
    observe(Event("begin", name, total))
    try:
        path = _package().snapshot_download(
            repo_id,
            **access,
            revision=commit,
            cache_dir=cache_dir,
            # Exactly these: the package's own patterns mean something else by the same text.
            allow_patterns=[glob.escape(name) for name in files] if include or exclude else None,
            max_workers=jobs,
            tqdm_class=_progress(observe, name, total),
        )
    except ModelPackError:
        raise  # the observer's
    except Exception as error:  # as above
        raise _mapped(error, repo_id, commit) from error
    observe(Event("end", name, total))
    return Snapshot(repo_id, endpoint.rstrip("/"), Path(path), commit, _lfs(info))


def check_lfs(packed: Packed, snapshot: Snapshot) -> None:
    """Compare what was packed with what the Hub has: the only end-to-end check, the download itself compares sizes.

    Raises DigestMismatch.
    """
    for path, digest in packed.files.items():
        expected = snapshot.lfs.get(path)
        if expected is not None and expected != digest:
            raise DigestMismatch(
                f"{path} is {digest}, but {snapshot.repo_id} has {expected}",
                hint="the file in the cache was damaged or changed; delete it there and fetch it again",
            )


def _package() -> Any:
    """The optional package. Its types differ between the versions that are supported, so none of them is relied on."""
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise InputError(
            "the package huggingface_hub is not installed", hint="pip install 'modelpack-toolkit[hub]'"
        ) from error


def _select(info: Any, repo_id: str, include: Sequence[str], exclude: Sequence[str]) -> dict[str, int]:
    """The files that are wanted, with their sizes. Names that could not be packed are refused before anything is downloaded."""
    wanted, unwanted = tuple(map(Glob.parse, include)), tuple(map(Glob.parse, exclude))
    files = {
        file.rfilename: file.size or 0
        for file in info.siblings or []
        if (not wanted or any(pattern.matches_within(file.rfilename) for pattern in wanted))
        and not any(pattern.matches_within(file.rfilename) for pattern in unwanted)
    }
    if not files:
        raise NotFound(f"{repo_id} has no files that match")
    if len(files) > MAX_FILES:
        raise InputError(f"{repo_id} has more than {MAX_FILES} files", hint="exclude some")
    for name in files:
        check_path(name)
    return files


def _lfs(info: Any) -> dict[str, Digest]:
    try:
        return {file.rfilename: Digest("sha256", file.lfs.sha256) for file in info.siblings or [] if file.lfs}
    except InvalidDigest as error:
        raise Unavailable(f"the Hub's answer makes no sense: {error}") from error


def _progress(observe: Observer, name: str, total: int) -> type:
    """A progress bar that is not shown; huggingface_hub wants a class and makes one bar for bytes and others beside it."""
    plain: Any = _package().utils.tqdm

    class Bar(plain):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            self._counts = options.get("unit") == "B" and not str(options.get("name")).endswith(".transfer")
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            if self._counts and n:
                observe(Event("bytes", name, total, int(n)))

    return Bar


def _mapped(error: BaseException, repo_id: str, revision: str) -> ModelPackError:
    """Our error for one of huggingface_hub's or its transport's. Nothing of its text: that has several lines and URLs."""
    errors = _package().errors
    what = f"{repo_id} at {revision}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    cause = error.__cause__
    match error:
        case errors.GatedRepoError():
            return AccessDenied(
                f"{repo_id} is gated", hint="accept its conditions on the Hub, then pass a token of the same account"
            )
        case errors.LocalEntryNotFoundError() if cause is not None:
            return _mapped(cause, repo_id, revision)
        case errors.RevisionNotFoundError():
            return NotFound(f"{repo_id} has no revision {revision!r}")
        case errors.HFValidationError():
            return InputError(f"not a name of a repository: {repo_id[:200]!r}")
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return NoSpace(f"no space left while downloading {what}")
    if status in (401, 403):
        return AccessDenied(
            f"{repo_id} does not exist, or is not open to everybody ({status})", hint="pass a token that may read it"
        )
    if status == 404:
        return NotFound(f"{what} is not on the Hub")
    reason = f"HTTP {status}" if status else type(error).__name__
    return Unavailable(
        f"cannot download {what}: {reason}", hint="try again later; what is complete is kept in the cache"
    )
