"""Licences: whether there is one, whether it is allowed, and whether everybody says the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelpack.attest.expressions import licenses_in, permits
from modelpack.audit.facts import Artifact, Sort
from modelpack.audit.findings import Severity
from modelpack.audit.policy.settings import fits
from modelpack.audit.rules.rule import ArtifactCheck, Hit

if TYPE_CHECKING:
    from modelpack.audit.policy import LicenseRules, Settings

_TOLD = ("XC08", "XC25", "XC45")
"""Licence of configuration, CycloneDX and SPDX against the model's."""


def _missing(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    if artifact.sort is not Sort.MODEL or artifact.is_unknown("MP040"):
        return
    if not artifact.licenses:
        yield Hit("no licence is stated")
    for expression in artifact.licenses:
        if problem := _problem(expression):
            yield Hit(f"{expression[:100]!a} is no licence expression: {problem}", artifact.license_source)


def _problem(expression: str) -> str:
    try:
        return "" if licenses_in(expression) else "it says that there is none, or that nobody knows"
    except ValueError as error:
        return str(error)


def _denied(artifact: Artifact, settings: Settings) -> Iterator[Hit]:
    """Several entries hold together: each must be acceptable."""
    rules = settings.licenses
    if artifact.sort is not Sort.MODEL or not (rules.allowed or rules.denied):
        return
    for expression in artifact.licenses:
        if not _acceptable(expression, rules):
            yield Hit(
                f"{expression[:100]!a} is not allowed here", artifact.license_source, {"license": expression[:200]}
            )


def _acceptable(expression: str, rules: LicenseRules) -> bool:
    try:
        return permits(expression, lambda name: _accepts(name, rules))
    except ValueError:  # no expression: then it is one name
        return _accepts(expression, rules)


def _accepts(name: str, rules: LicenseRules) -> bool:
    """A licence with an exception is allowed or denied by itself, or as the licence that it is without."""
    names = {name, name.partition(" WITH ")[0]}
    denied = any(_fits(one, pattern) for one in names for pattern in rules.denied)
    return not denied and (not rules.allowed or any(_fits(one, pattern) for one in names for pattern in rules.allowed))


def _fits(name: str, pattern: str) -> bool:
    """Identifiers are compared without regard to case (SPDX 3.0.1, annex B)."""
    return fits(name.lower(), pattern.lower())


def _differing(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    if artifact.sort is not Sort.MODEL:
        return
    for one in artifact.contradictions:
        if one.code in _TOLD:
            yield Hit(one.message, one.place, {"code": one.code})
    for document in artifact.documents:
        for one in document.contradictions:
            if one.code in _TOLD:
                yield Hit(one.message, one.place, {"code": one.code, "manifest": str(document.manifest)})
    yield from _texts(artifact)
    yield from _ancestors(artifact)


def _texts(artifact: Artifact) -> Iterator[Hit]:
    """A licence whose text lies beside the model and that nobody names."""
    own = _stated(artifact)
    for one in artifact.license_text if own else ():
        if not _names(one) & own:
            yield Hit(f"a LICENSE file is {one}, stated is {', '.join(artifact.licenses)[:100]}", "LICENSE")


def _ancestors(artifact: Artifact) -> Iterator[Hit]:
    """A licence of the base model that the model itself does not name: its terms go on to apply."""
    own = _stated(artifact)
    for one in artifact.ancestors if own else ():
        theirs = {name for expression in one.licenses for name in _names(expression)}
        if one.role == "base-model" and theirs and not theirs & own:
            said = ", ".join(artifact.licenses)[:100]
            yield Hit(
                f"the base model {one.name[:100]} is under {', '.join(one.licenses)[:100]}, this under {said}",
                one.source,
            )


def _stated(artifact: Artifact) -> set[str]:
    return {name for expression in artifact.licenses for name in _names(expression)}


def _names(expression: str) -> set[str]:
    try:
        return {name.lower() for name in licenses_in(expression)}
    except ValueError:
        return {expression.lower()}


RULES = (
    ArtifactCheck(
        "MP040",
        "no licence, or none that can be read",
        Severity.MEDIUM,
        "Without a licence nobody may use the model, strictly speaking; with one that is no SPDX expression, no tool "
        "can tell what it asks.",
        "`modelpack pack … --set licenses=Apache-2.0`. What SPDX does not list is written as `LicenseRef-NAME`.",
        _missing,
    ),
    ArtifactCheck(
        "MP041",
        "a licence that the policy does not allow",
        Severity.HIGH,
        "The audit policy's `licenses` name what may be used, and this is not acceptable under them. Of alternatives "
        "(`MIT OR GPL-3.0-only`) one is enough; what is joined with `AND` must all be acceptable.",
        "Take another model, or get an exception: an exemption in the policy with a reason and a date.",
        _denied,
    ),
    ArtifactCheck(
        "MP042",
        "licences contradict each other",
        Severity.MEDIUM,
        "The configuration, the model card, the text in a LICENSE file, a bill of materials or the base model name "
        "different licences. The terms of a base model usually go on to apply to what is made from it, whatever the "
        "new configuration says.",
        "Find out which is right; pack the model again with `--set licenses=…`, and make the bill of materials anew.",
        _differing,
    ),
)
