"""The memo of a pickle, and how much text may be kept of it."""

from __future__ import annotations

from modelpack.scan.pickles.tape import Broken
from modelpack.scan.pickles.values import UNKNOWN, Value

_KEPT_TEXT = 64 << 20
_OVERHEAD = 56
_MAX_SPARSE = 100_000
_MAX_HOLE = 64


class Memo:
    """Values by number. Numbers come in order with few holes (Python 2 begins at 1), so a list has them; others are rare."""

    def __init__(self) -> None:
        self._dense: list[Value | None] = []
        self._sparse: dict[int, Value] = {}
        self._count = 0
        self._text = _KEPT_TEXT

    def __len__(self) -> int:
        return self._count

    def afford(self, text: str) -> Value:
        """The text, or an unknown value if so much text was kept already. An unknown name is a finding, so nothing is lost."""
        self._text -= len(text) + _OVERHEAD
        return text if self._text >= 0 else UNKNOWN

    def put(self, index: int, value: Value) -> None:
        """Store a value."""
        self._count += self._find(index) is None
        if index in self._sparse or index > len(self._dense) + _MAX_HOLE:
            if len(self._sparse) >= _MAX_SPARSE:
                raise Broken("the memo has too many entries out of order")
            self._sparse[index] = value
            return
        self._dense += [None] * (index + 1 - len(self._dense))
        self._dense[index] = value

    def get(self, index: int) -> Value:
        """A value that was stored."""
        value = self._find(index)
        if value is None:
            raise Broken(f"the memo has no entry {index}")
        return value

    def _find(self, index: int) -> Value | None:
        found = self._sparse.get(index) if self._sparse else None
        return self._dense[index] if found is None and index < len(self._dense) else found
