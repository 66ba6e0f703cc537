"""Which policy it was: the same for policies that ask for the same, different for all others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from modelpack.errors import CannotVerify
from modelpack.trust import Policy


def fingerprint(policy: Policy) -> str:
    """SHA-256 of all that a policy consists of, keys and times too. Raises CannotVerify for parts of unknown kinds."""
    return hashlib.sha256(_written(policy).encode()).hexdigest()


def _written(value: object) -> str:
    """Text that is different for different values: every part says its kind and is delimited."""
    if is_dataclass(value) and not isinstance(value, type):
        inside = ",".join(
            f"{item.name}={_written(getattr(value, item.name))}" for item in fields(value) if item.compare
        )
        return f"{type(value).__name__}({inside})"
    match value:
        case None | bool() | int() | float():
            return repr(value)
        case Enum():
            return f"enum:{value.value!r}"
        case str() | bytes():
            return ascii(value)
        case datetime():
            return f"time:{value.isoformat()}"
        case Mapping():
            return "{" + ",".join(sorted(f"{_written(key)}:{_written(item)}" for key, item in value.items())) + "}"
        case Path():
            return f"path:{str(value)!a}"
        case tuple() | list():
            return f"[{','.join(map(_written, value))}]"
        case frozenset() | set():
            return f"<{','.join(sorted(map(_written, value)))}>"
    raise CannotVerify(f"a policy with a {type(value).__name__} has no fingerprint")
