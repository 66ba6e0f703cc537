"""The settings of one scope, as a policy file writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from modelpack.audit.findings import Severity
from modelpack.audit.policy.names import rule_id, scope
from modelpack.audit.policy.settings import LicenseRules, Settings
from modelpack.oci.fields import Fields
from modelpack.trust.policy.members import members
from modelpack.trust.policy.scopes import Scope

_MOST = 1000
_MAX_DAYS = 36_500
_MAX_PATTERN = 500
_PATTERN = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,500}")
_FORMATS = ("gguf", "onnx", "pickle", "pt", "safetensors")


@dataclass(frozen=True, slots=True)
class Scoped:
    """What a scope says: ``values`` are fields of :class:`Settings`, only those that stand there."""

    scope: Scope
    values: Mapping[str, object] = field(hash=False)

    def over(self, settings: Settings) -> Settings:
        """The settings of a wider scope, with this one's laid over them. Severities are laid over each other by rule."""
        severities = {**settings.severities, **_mapping(self.values.get("severities"))}
        return replace(settings, **{**self.values, "severities": severities})  # type: ignore[arg-type]  # made by _values


def _mapping(value: object) -> dict[str, Severity]:
    return value if isinstance(value, dict) else {}


def read_scopes(root: Fields) -> tuple[Scoped, ...]:
    """The entries of ``scopes``. Raises DocumentError."""
    found = tuple(_scoped(fields) for fields in root.objects("scopes", limit=_MOST))
    scopes = [one.scope for one in found]
    for index, one in enumerate(scopes):
        if one in scopes[:index]:
            root.fail(f"scopes[{index}].scope", f"{one} has settings already")
    return found


def _scoped(fields: Fields) -> Scoped:
    members(fields, "scope", *_READERS)
    values = {name: read(fields) for key, (name, read) in _READERS.items() if key in fields.value}
    return Scoped(scope(fields), values)


def _disabled(fields: Fields) -> frozenset[str]:
    names = fields.texts("disabled")
    return frozenset(rule_id(fields, f"disabled[{index}]", name) for index, name in enumerate(names))


def _severities(fields: Fields) -> dict[str, Severity]:
    nested = fields.object("severities")
    return {rule_id(nested, name, name): _severity(nested, name) for name in nested.value}


def _severity(fields: Fields, name: str) -> Severity:
    try:
        return Severity(fields.text(name))
    except ValueError:
        fields.fail(name, f"one of {', '.join(Severity)} is required")


def _licenses(fields: Fields) -> LicenseRules:
    nested = fields.object("licenses")
    members(nested, "allowed", "denied")
    return LicenseRules(_patterns(nested, "allowed"), _patterns(nested, "denied"))


def _patterns(fields: Fields, key: str) -> tuple[str, ...]:
    texts = fields.texts(key)
    for index, text in enumerate(texts):
        if not _PATTERN.fullmatch(text):
            fields.fail(f"{key}[{index}]", "1 to 500 characters on one line are required")
    return texts


def _formats(fields: Fields) -> tuple[str, ...]:
    texts = fields.texts("formats")
    for index, text in enumerate(texts):
        if text not in _FORMATS:
            fields.fail(f"formats[{index}]", f"one of {', '.join(_FORMATS)} is required")
    return texts


def _max_age(fields: Fields) -> timedelta:
    days = fields.integer("maxAgeDays")
    if not 1 <= days <= _MAX_DAYS:
        fields.fail("maxAgeDays", f"1 to {_MAX_DAYS} days are required")
    return timedelta(days=days)


def _version_tags(fields: Fields) -> str:
    text = fields.text("versionTags")
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        fields.fail("versionTags", f"a regular expression is required: {error}")
    if len(text) > _MAX_PATTERN:
        fields.fail("versionTags", f"at most {_MAX_PATTERN} characters are allowed")
    return text


def _tolerance(fields: Fields) -> float:
    percent = fields.integer("parameterTolerancePercent")
    if percent > 100:
        fields.fail("parameterTolerancePercent", "0 to 100 are required")
    return percent / 100


_READERS = {
    "disabled": ("disabled", _disabled),
    "severities": ("severities", _severities),
    "licenses": ("licenses", _licenses),
    "builders": ("builders", lambda fields: _patterns(fields, "builders")),
    "formats": ("formats", _formats),
    "maxAgeDays": ("max_age", _max_age),
    "versionTags": ("version_tags", _version_tags),
    "parameterTolerancePercent": ("parameter_tolerance", _tolerance),
}
"""From the file's member to the field of the settings, and its reader."""
