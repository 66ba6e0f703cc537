"""Any report to a stream, or to a file in one step."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from modelpack.audit.reports.documents import json_lines, json_report
from modelpack.audit.reports.html import html_report
from modelpack.audit.reports.junit import junit_report
from modelpack.audit.reports.metrics import last_success, metrics
from modelpack.audit.reports.sarif import sarif_report
from modelpack.audit.reports.sheet import csv_report
from modelpack.audit.results import Results
from modelpack.errors import InputError, NoSpace, StoreError

_MAKERS: Mapping[str, Callable[[Results], Iterator[bytes]]] = {
    "json": json_report,
    "jsonl": json_lines,
    "csv": csv_report,
    "sarif": sarif_report,
    "junit": junit_report,
    "html": html_report,
    "metrics": metrics,
}
KINDS = tuple(_MAKERS)
"""What :func:`write` can write."""

_MAX_METRICS = 1 << 20
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def write(kind: str, results: Results, stream: BinaryIO) -> None:
    """Write one of ``KINDS``: UTF-8, equal bytes for equal results. Raises InputError."""
    stream.writelines(_maker(kind)(results))


def write_file(kind: str, results: Results, path: str | Path) -> None:
    """The same to a file, which is the old one until the new one is whole; a pipe or a device is written to as it is, and so is
    what a link leads to.

    Metrics of an incomplete audit go on saying when the last complete one was. Raises InputError, StoreError, NoSpace.
    """
    make, path = _maker(kind), Path(path)
    try:
        path = path.resolve()
        chunks = metrics(results, _before(path)) if kind == "metrics" else make(results)
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                stream.writelines(chunks)
        else:
            _replace(path, chunks)
    except OSError as error:
        kind_of = NoSpace if error.errno in _NO_SPACE else StoreError
        raise kind_of(f"{path} cannot be written: {error.strerror}") from error


def _maker(kind: str) -> Callable[[Results], Iterator[bytes]]:
    if kind not in _MAKERS:
        raise InputError(f"there is no report {kind[:40]!r}", hint=f"one of {', '.join(KINDS)}")
    return _MAKERS[kind]


def _before(path: Path) -> float | None:
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return last_success(stream.read(_MAX_METRICS).decode(errors="replace"))


def _replace(path: Path, chunks: Iterator[bytes]) -> None:
    # A name that collectors of *.prom and web servers of *.html do not take for a report.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines(chunks)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(_mode(path))
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _mode(path: Path) -> int:
    """Of the file that is replaced; a new one is readable for all, as other programs are to read it."""
    return path.stat().st_mode & 0o777 if path.exists() else 0o644
