"""Times as a policy file writes them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from modelpack.oci.fields import Fields

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def moment(fields: Fields, key: str) -> datetime | None:
    """A date (``2026-01-31``, the beginning of the day in UTC) or a time of RFC 3339; None if absent. Raises DocumentError."""
    text = fields.text(key, "")
    if not text:
        return None
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        fields.fail(key, "a date (2026-01-31) or a time with a zone (2026-01-31T12:00:00Z) is required")
    return found
