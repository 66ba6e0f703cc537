"""All files of a model: each for itself, and what they say about each other."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from modelpack.errors import DocumentError, InputError, NotFound, StoreError
from modelpack.formats import ByteSource, ModelFile, check_shards, read_header
from modelpack.formats.source import read_exactly
from modelpack.oci import loads_object
from modelpack.scan.content import look_at
from modelpack.scan.findings import Finding, finding
from modelpack.scan.looking import Limits
from modelpack.scan.report import Report, Scanned
from modelpack.store import FileSource

_LIMITS = Limits()
_INDEX = ".index.json"
_MAX_INDEX = 100_000_000
_MAX_FILES = 200_000
_MAX_SHARDS = 20_000
_NO_DIGESTS: Mapping[str, str] = {}


def scan_folder(path: str | Path, *, digests: Mapping[str, str] = _NO_DIGESTS, limits: Limits = _LIMITS) -> Report:
    """Look at all files below a folder, or at one file.

    ``digests`` are SHA-256 in hex by path, if they are known; they only go into the report. Links to files are followed, links to
    folders are reported as not checked. Raises NotFound, InputError.
    """
    root = Path(path)
    if not root.exists():
        raise NotFound(f"there is no file or folder {root}")
    odd: list[Finding] = []
    files = _files(root, odd)
    report = scan_files(files, digests=digests, limits=limits)
    return Report.of(report.files, (*report.findings, *report.unchecked, *odd))


def _files(root: Path, odd: list[Finding]) -> Iterator[tuple[str, ByteSource]]:
    if not root.is_dir():
        yield root.name, FileSource.of(root)
        return
    walk = os.walk(root, onerror=lambda error: odd.append(_unreadable(root, Path(error.filename or root), error)))
    count = 0
    for folder, folders, names in walk:
        folders.sort()
        links = [Path(folder, name) for name in folders if Path(folder, name).is_symlink()]
        odd += [finding("SCAN-UNCHECKED", _relative(root, link), "", "a link to a folder") for link in links]
        for name in sorted(names):
            count += 1
            if count > _MAX_FILES:
                raise InputError(f"more than {_MAX_FILES} files in {root}")
            yield from _file(root, Path(folder, name), odd)


def _file(root: Path, path: Path, odd: list[Finding]) -> Iterator[tuple[str, ByteSource]]:
    relative = _relative(root, path)
    try:
        status = path.stat()
    except OSError as error:
        odd.append(_unreadable(root, path, error))
        return
    if not stat.S_ISREG(status.st_mode):
        odd.append(finding("SCAN-UNCHECKED", relative, "", "not a regular file"))
        return
    yield relative, FileSource(path, status.st_size)


def _relative(root: Path, path: Path) -> str:
    return os.fsencode(path.relative_to(root)).decode(errors="backslashreplace")


def _unreadable(root: Path, path: Path, error: OSError) -> Finding:
    return finding("SCAN-UNREADABLE", _relative(root, path), "", error.strerror or "it cannot be read")


def scan_files(
    files: Iterable[tuple[str, ByteSource]], *, digests: Mapping[str, str] = _NO_DIGESTS, limits: Limits = _LIMITS
) -> Report:
    """Look at files from anywhere: pairs of a path in the model and its content. What cannot be read is a finding."""
    sources: dict[str, ByteSource] = {}
    scanned: list[Scanned] = []
    findings: list[Finding] = []
    external: dict[str, set[str]] = {}
    for path, source in files:
        sources[path] = source
        try:
            look = look_at(source, path, limits)
        except StoreError as error:
            findings.append(finding("SCAN-UNREADABLE", path, "", str(error)))
            continue
        findings += look.findings
        scanned.append(Scanned(path, source.size, look.format, digests.get(path, "")))
        if look.external:
            external[path] = look.external
    findings += _missing(external, sources)
    findings += _shards(sources)
    return Report.of(scanned, findings)


def _missing(external: Mapping[str, set[str]], sources: Mapping[str, ByteSource]) -> Iterator[Finding]:
    """Files that ONNX models want beside them."""
    for path, locations in external.items():
        for location in sorted(locations):
            if str(PurePosixPath(path).parent / location) not in sources:
                yield finding("SCAN-ONNX-MISSING", path, "", f"external data at {location!r} is not there")


def _shards(sources: Mapping[str, ByteSource]) -> Iterator[Finding]:
    """Indexes of sharded weights, and the shards beside them."""
    for path in sources:
        if not path.endswith(_INDEX):
            continue
        try:
            for problem in _shard_problems(path, sources):
                yield finding("SCAN-SHARDS", path, "", problem)
        except DocumentError as error:
            yield finding("SCAN-SHARDS", path, error.path, error.reason)
        except StoreError as error:
            yield finding("SCAN-UNREADABLE", path, "", str(error))


def _shard_problems(path: str, sources: Mapping[str, ByteSource]) -> Iterator[str]:
    folder = PurePosixPath(path).parent
    source = sources[path]
    index = read_exactly(source, 0, min(source.size, _MAX_INDEX + 1), "shard index")
    named = loads_object(index, "shard index", limit=_MAX_INDEX).get("weight_map")
    wanted = {shard for shard in named.values() if isinstance(shard, str)} if isinstance(named, dict) else set()
    stem = PurePosixPath(path).name.removesuffix(_INDEX)
    if not stem.endswith(".safetensors"):
        yield from (
            f"the shard {name[:80]} is not there" for name in sorted(wanted) if str(folder / name) not in sources
        )
        return
    prefix = stem.removesuffix(".safetensors") + "-"
    siblings = {PurePosixPath(other).name for other in sources if PurePosixPath(other).parent == folder}
    wanted |= {
        name for name in siblings if name.startswith(prefix) and "-of-" in name and name.endswith(".safetensors")
    }
    if len(wanted) > _MAX_SHARDS:
        raise DocumentError("shard index", "weight_map", f"{len(wanted)} shards")
    yield from check_shards(index, {name: _header(sources[str(folder / name)], name) for name in wanted & siblings})


def _header(source: ByteSource, name: str) -> ModelFile:
    """A shard's header; a damaged one, which has a finding of its own, counts as empty."""
    try:
        return read_header(source, name) or ModelFile("unknown")
    except DocumentError:
        return ModelFile("unknown")
