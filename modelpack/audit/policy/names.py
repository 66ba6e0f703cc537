"""Scopes, rules' ids and sentences, as a policy file writes them."""

from __future__ import annotations

import re

from modelpack.errors import InputError
from modelpack.oci.fields import Fields
from modelpack.trust.policy.scopes import Scope

_ID = re.compile(r"[A-Z][A-Z0-9_-]{1,39}")
_OURS = re.compile(r"MP[0-9]*")
_SENTENCE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,500}")


def scope(fields: Fields) -> Scope:
    """The member ``scope``. Raises DocumentError."""
    try:
        return Scope.parse(fields.text("scope"))
    except InputError as error:
        fields.fail("scope", f"{error} ({error.hint})")


def rule_id(fields: Fields, key: str, name: str) -> str:
    """An id that a rule can have; one of ours must exist, so that a slip of the pen does not pass for a rule that never fires."""
    from modelpack.audit.rules.table import RULES  # the rules know the settings

    if not _ID.fullmatch(name):
        fields.fail(key, "a rule's id is required: 2 to 40 capital letters, digits, - or _")
    if _OURS.match(name) and name not in {rule.id for rule in RULES}:
        fields.fail(key, f"there is no rule {name}")
    return name


def sentence(fields: Fields, key: str) -> str:
    """Text on one line. Raises DocumentError, also if it is absent."""
    text = fields.text(key)
    if not _SENTENCE.fullmatch(text) or not text.strip():
        fields.fail(key, "1 to 500 characters on one line are required")
    return text
