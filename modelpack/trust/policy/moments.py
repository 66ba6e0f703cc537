"""Times as a policy file writes them."""

from __future__ import annotations

import re
from datetime import datetime

from modelpack.oci.fields import Fields
from modelpack.oci.schema import is_date_time

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def moment(fields: Fields, key: str) -> datetime | None:
    """A date (``2026-01-31``, the beginning of the day in UTC) or a time of RFC 3339; None if absent. Raises DocumentError."""
    if key not in fields.value:
        return None
    text = fields.text(key)
    full = f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text.upper()
    try:
        return datetime.fromisoformat(full if is_date_time(full) else "")
    except ValueError:
        fields.fail(key, "a date (2026-01-31) or a time with a zone (2026-01-31T12:00:00Z) is required")
