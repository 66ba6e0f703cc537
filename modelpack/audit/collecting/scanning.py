"""What the scanner finds in a model's files where they are stored: headers, directories, pickles' programs; no whole weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelpack.audit.collecting.watching import Watched
from modelpack.audit.facts import Problem, Unchecked
from modelpack.errors import ContentError, DocumentError, InputError, StoreError
from modelpack.formats import ByteSource
from modelpack.oci import Codec, Descriptor
from modelpack.scan import Finding, Limits, scan_files
from modelpack.scan.looking import TooMuch
from modelpack.store import StoredFile
from modelpack.unpack import LayerEntry

BUDGET = 64 << 20
"""Bytes that may be read of one artifact for scanning."""

EACH = 16 << 20
"""Bytes that may be read of one file."""

MAX_ARCHIVE = 4 << 20
"""Bytes of a compressed archive that is opened: of a larger one nothing can be seen without reading it all."""

MAX_FILES = 1000
"""Files of one artifact that are looked at: each is a request."""

RULES = tuple(f"MP{number:03}" for number in (*range(50, 63),))
"""Rules that need to know what is in the files."""

_LIMITS = Limits(members=20_000, inflated=64 << 20, searched=256 << 20, opcodes=2_000_000)


@dataclass(slots=True)
class Purse:
    """Bytes that are left."""

    left: int


@dataclass(slots=True)
class Metered:
    """A blob whose reading costs, from its own purse and from everybody's."""

    source: StoredFile
    own: Purse
    shared: Purse

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.source.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from the middle. Raises TooMuch, DocumentError (it is not what its digest says), and the store's errors."""
        for purse in (self.own, self.shared):
            purse.left -= max(0, min(length, self.size - offset))
            if purse.left < 0:
                raise TooMuch("scan", "", "more would have to be read of it than an audit reads")
        try:
            return self.source.read_at(offset, length)
        except ContentError as error:
            raise DocumentError("blob", "", str(error)) from None
        except InputError as error:
            raise StoreError(str(error)) from None


def scan(store: Watched, found: Sequence[LayerEntry]) -> tuple[tuple[Problem, ...], tuple[Unchecked, ...]]:
    """What is found, by the scanner's codes, and what was not looked at. Only errors of other kinds than the store's escape."""
    chosen = [entry for entry in found if not _is_closed(entry)]
    shared = Purse(BUDGET)
    sources = [(_label(entry), _metered(store, entry.descriptor, shared)) for entry in chosen[:MAX_FILES]]
    report = scan_files(sources, limits=_LIMITS)
    problems = tuple(map(_problem, (*report.findings, *report.unchecked)))
    return problems, tuple(_unchecked(found, len(chosen) - MAX_FILES))


def _metered(store: Watched, descriptor: Descriptor, shared: Purse) -> ByteSource:
    return Metered(StoredFile(store, descriptor), Purse(EACH), shared)


def _problem(finding: Finding) -> Problem:
    place = f"{finding.path}: {finding.place}" if finding.place else finding.path
    return Problem(finding.code, place, finding.message)


def _label(entry: LayerEntry) -> str:
    """An archive's path is that of what is in it: its name must not promise that."""
    if entry.codec is Codec.RAW:
        return entry.path
    return f"{entry.path or f'archive {entry.descriptor.digest}'}.{entry.codec.replace('+', '.')}"


def _is_closed(entry: LayerEntry) -> bool:
    return entry.codec in (Codec.TAR_GZIP, Codec.TAR_ZSTD) and entry.size > MAX_ARCHIVE


def _unchecked(found: Sequence[LayerEntry], left_out: int) -> Iterator[Unchecked]:
    for entry in found:
        if _is_closed(entry):
            reason = f"a compressed archive of {entry.size} bytes, which would have to be read whole"
            yield Unchecked(_label(entry), reason, RULES)
    if left_out > 0:
        yield Unchecked(f"{left_out} files", f"more than the {MAX_FILES} of one model that are looked at", RULES)
