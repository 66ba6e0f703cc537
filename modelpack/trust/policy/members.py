"""The members that an object of a policy file may have."""

from __future__ import annotations

from modelpack.oci.fields import Fields
from modelpack.trust.envelope import only


def members(fields: Fields, *known: str) -> None:
    """Raise DocumentError for a member that is not known, and for one without a value.

    A limit whose value was forgotten (``until:``) must not be one that is not there.
    """
    only(fields, *known)
    for key, value in fields.value.items():
        if value in (None, ""):
            fields.fail(key, "a value is required; without one, leave it out")
