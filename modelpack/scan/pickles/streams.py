"""Files of pickles: one, several in a row, PyTorch's old format with raw storages behind, joblib's with raw arrays between."""

from __future__ import annotations

import re

from modelpack.formats import ByteSource
from modelpack.scan.looking import Look
from modelpack.scan.pickles.machine import Walk, walk_pickle
from modelpack.scan.pickles.tape import Tape

LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of what ``torch.save`` wrote before version 1.6: a number."""

_LEGACY_PICKLES = 5
_MAX_PICKLES = 10_000
_PLAUSIBLE = re.compile(r"imports [\w.]+", re.ASCII)


def scan_pickles(look: Look, source: ByteSource, *, certain: bool) -> bool:
    """Look at pickles from the begin of a source to its end. Whether it is a pickle.

    ``certain`` is whether something says so: a mark at the begin, or a name. Pickles of protocol 0 and 1 have no mark, so all
    files are tried; then only one that would be read to its end, or that would call something, is a pickle.
    """
    tape = Tape(source)
    first = _walk(look, tape, arrays=True)
    if not certain and not _convincing(first):
        return False
    look.format = "pickle"
    _tell(look, first)
    if first.broken:
        _not_followed(look, first)
    else:
        legacy = source.read_at(0, len(LEGACY_TORCH)) == LEGACY_TORCH
        wrapped = first.wrapped or _scan_more(look, tape, legacy=legacy)
        first.wrapped = wrapped
    if first.wrapped:
        _scan_as_plain(look, source)
    return True


def _walk(look: Look, tape: Tape, *, arrays: bool) -> Walk:
    return walk_pickle(tape, look.budget, arrays=arrays, torchscript=look.torchscript)


def _convincing(walk: Walk) -> bool:
    return bool(walk.found and walk.calls) or (not walk.broken and bool(walk.names))


def _tell(look: Look, walk: Walk) -> None:
    for code, at, message in walk.found:
        look.report(code, message, f"byte {at}")


def _not_followed(look: Look, walk: Walk) -> None:
    look.report("SCAN-PICKLE-BROKEN", walk.broken)


def _scan_more(look: Look, tape: Tape, *, legacy: bool) -> bool:
    """What follows the first pickle; whether one of them has arrays of joblib."""
    wrapped = False
    for number in range(2, _MAX_PICKLES):
        if tape.at_end() or (legacy and number > _LEGACY_PICKLES):
            return wrapped  # old PyTorch puts the storages here, which nothing unpickles
        begin = tape.position
        marked = tape.peek(2)[:1] == b"\x80"
        walk = _walk(look, tape, arrays=True)
        wrapped = wrapped or walk.wrapped
        if not walk.broken or marked or walk.calls:
            _tell(look, walk)
        if walk.broken and marked:
            _not_followed(look, walk)
            return wrapped
        if walk.broken:
            look.report("SCAN-PICKLE-TRAILING", "what follows is no pickle", f"byte {begin}")
            return wrapped
    look.report("SCAN-LIMIT", f"more than {_MAX_PICKLES} pickles in one file")
    return wrapped


def _scan_as_plain(look: Look, source: ByteSource) -> None:
    """``pickle.load`` takes joblib's raw arrays for opcodes: what it would be led to import or call counts as well.

    Numbers can look like an import by chance, but hardly with names that a module could have.
    """
    walk = _walk(look, Tape(source), arrays=False)
    for code, at, message in walk.found:
        if code != "SCAN-PICKLE-EXTENSION" and (code != "SCAN-PICKLE-NAME" or _PLAUSIBLE.fullmatch(message)):
            look.report(code, message, f"byte {at}")
