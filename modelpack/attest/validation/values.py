"""Single values of SPDX properties."""

from __future__ import annotations

import math
import re
from typing import Any

from modelpack.oci import JSON
from modelpack.oci.schema import is_date_time

_SHOWN = 80
_MAX_TEXT = 1 << 20


def value_problem(value: JSON, rule: dict[str, Any]) -> str:
    """Why a value breaks its rule (a property of ``spdx-3.0.1.model.json``); ``""`` if it keeps it."""
    kind = rule["kind"]
    if kind in ("text", "uri", "time", "enum", "object"):
        return _text_problem(value, rule) if isinstance(value, str) else "a string is required"
    if kind == "flag":
        return "" if isinstance(value, bool) else "true or false is required"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return "a number is required"
    return _number_problem(value, kind)


def _text_problem(value: str, rule: dict[str, Any]) -> str:
    kind = rule["kind"]
    shown = f"{value[:_SHOWN]!a}"
    if kind == "enum" and value not in rule["values"]:
        return f"{shown} is not one of its values"
    if kind == "uri" and (":" not in value or re.search(r"[\x00-\x20<>\"{}|\\^`]", value)):
        return f"{shown} is not a URI"
    if kind == "time" and not is_date_time(value):
        return f"{shown} is not a date and time of RFC 3339"
    if "pattern" in rule and (value.endswith("\n") or not re.search(rule["pattern"], value[:_MAX_TEXT])):
        return f"{shown} does not have the form {rule['pattern'][:_SHOWN]}"
    return ""


def _number_problem(value: float | str, kind: str) -> str:
    """Decimal numbers are written as texts too."""
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return "a number is required"
    if kind == "number":
        return "" if math.isfinite(number) else "a number is required"
    if not isinstance(value, int):
        return "an integer is required"
    smallest = {"positive": 1, "natural": 0}.get(kind)
    return "" if smallest is None or value >= smallest else f"at least {smallest} is required"
