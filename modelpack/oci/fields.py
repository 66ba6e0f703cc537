"""Typed access to parsed JSON: each look-up either has the right type or raises DocumentError with the JSON path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn, cast

from modelpack.errors import DocumentError, InvalidDigest
from modelpack.oci.digest import Digest
from modelpack.oci.strictjson import JSON, JSONObject

_PLAIN = re.compile(r"[\w$+/-][\w.$+/-]{0,99}(\[\d+\])?", re.ASCII)
_SHOWN = 80


def member(path: str, step: str | int) -> str:
    """The JSON path of a member or an array entry. A key that could break a line or a terminal is quoted and cut."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    if not _PLAIN.fullmatch(step):
        return f"{path}[{step[:_SHOWN]!a}]"
    return f"{path}.{step}" if path else step


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object at one place of one document."""

    value: JSONObject
    document: str
    path: str = ""

    def fail(self, key: str, reason: str) -> NoReturn:
        """Raise DocumentError about one key (``""`` for this object)."""
        raise DocumentError(self.document, self.at(key), reason)

    def at(self, key: str) -> str:
        """The JSON path of a key of this object."""
        return member(self.path, key) if key else self.path

    def text(self, key: str, default: str | None = None) -> str:
        """A string; ``default`` if the key is absent, DocumentError if there is no default."""
        value = self.value.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            self.fail(key, "a string is required")
        return value

    def integer(self, key: str) -> int:
        """A non-negative integer below 2^63."""
        value = self.value.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
            self.fail(key, "a non-negative integer is required")
        return value

    def flag(self, key: str) -> bool | None:
        """A boolean; None if absent."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, bool):
            self.fail(key, "true or false is required")
        return value

    def digest(self, key: str) -> Digest:
        """A digest."""
        try:
            return Digest.parse(self.text(key))
        except InvalidDigest as error:
            self.fail(key, str(error))

    def texts(self, key: str) -> tuple[str, ...]:
        """An array of strings; empty if absent."""
        return tuple(
            item if isinstance(item, str) else self.fail(f"{key}[{index}]", "a string is required")
            for index, item in enumerate(self._array(key))
        )

    def mapping(self, key: str) -> dict[str, str]:
        """An object of strings; empty if absent."""
        fields = self.object(key)
        if any(type(value) is not str for value in fields.value.values()):
            return {name: fields.text(name) for name in fields.value}
        return cast("dict[str, str]", fields.value.copy())

    def object(self, key: str) -> Fields:
        """A nested object; empty if absent."""
        value = self.value.get(key)
        if value is None:
            return Fields({}, self.document, self.at(key))
        if not isinstance(value, dict):
            self.fail(key, "an object is required")
        return Fields(value, self.document, self.at(key))

    def objects(self, key: str, *, limit: int) -> tuple[Fields, ...]:
        """An array of objects, at most ``limit``; empty if absent."""
        items = self._array(key)
        if len(items) > limit:
            self.fail(key, f"{len(items)} entries are more than the {limit} allowed")
        path = self.at(key)
        return tuple(
            Fields(item, self.document, f"{path}[{index}]")
            if isinstance(item, dict)
            else self.fail(f"{key}[{index}]", "an object is required")
            for index, item in enumerate(items)
        )

    def _array(self, key: str) -> list[JSON]:
        value = self.value.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail(key, "an array is required")
        return value
