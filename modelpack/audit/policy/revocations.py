"""What must not be used any more, as policy files and lists write it."""

from __future__ import annotations

import re

from modelpack.audit.policy.names import sentence
from modelpack.audit.policy.settings import Revocation
from modelpack.oci.fields import Fields
from modelpack.trust.policy.members import members

_MOST = 100_000
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NAME = re.compile(r"[^\x00-\x20\x7f-\x9f\u2028\u2029]{1,300}")


def read_revocations(root: Fields) -> tuple[Revocation, ...]:
    """The entries of ``revoked``. Raises DocumentError."""
    return tuple(_revocation(fields) for fields in root.objects("revoked", limit=_MOST))


def _revocation(fields: Fields) -> Revocation:
    members(fields, "digest", "commit", "name", "reason")
    given = [key for key in ("digest", "commit", "name") if key in fields.value]
    if len(given) != 1:
        fields.fail("", "exactly one of digest, commit, name is required")
    return Revocation(_what(fields, given[0]), sentence(fields, "reason"))


def _what(fields: Fields, key: str) -> str:
    if key == "digest":
        return str(fields.digest("digest"))
    text = fields.text(key)
    if key == "commit" and not _COMMIT.fullmatch(text):
        fields.fail(key, "a commit in 40 or 64 lower-case hex digits is required")
    if key == "name" and (not _NAME.fullmatch(text) or not text.strip("*/")):
        fields.fail(key, "a name without spaces is required, in which * stands for anything, but not a * alone")
    return text
