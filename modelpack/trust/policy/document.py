"""The policy file: YAML (or JSON, which is YAML), described for editors by ``schemas/modelpack-policy.schema.json``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from modelpack.errors import DocumentError, InputError, ModelPackError, PolicyViolation
from modelpack.oci import Reference
from modelpack.oci.fields import Fields
from modelpack.trust.policy.identities import identity
from modelpack.trust.policy.members import members
from modelpack.trust.policy.moments import moment
from modelpack.trust.policy.reading import read_fields
from modelpack.trust.policy.requirements import AllOf, AnyOf, Attested, InsecureAcceptAnything, Policy, SignedBy
from modelpack.trust.policy.scopes import Scope
from modelpack.trust.seal import Identity
from modelpack.trust.userfiles import read_file

MAX_POLICY = 1 << 20
_MAX_PARTS = 1000
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,100}")
"""What an identity can be called: its name stands in messages of one line."""

PREDICATES = {
    "slsaprovenance": "https://slsa.dev/provenance/v0.2",
    "slsaprovenance1": "https://slsa.dev/provenance/v1",
    "provenance": "https://slsa.dev/provenance/v1",
    "cyclonedx": "https://cyclonedx.org/bom",
    "spdx": "https://spdx.dev/Document",
    "spdx3": "https://spdx.dev/Document/v3",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
    "openvex": "https://openvex.dev/ns",
    "vsa": "https://slsa.dev/verification_summary/v1",
}
"""Short names of predicate types, most of them cosign's."""


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """What a policy file says: a policy for each scope."""

    rules: tuple[tuple[Scope, Policy], ...]
    name: str = "the policy"

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file; keys and certificates that it names are read from beside it. Raises InputError, DocumentError."""
        return cls.parse(read_file(path, MAX_POLICY), lambda name: read_file(path.parent / name, MAX_POLICY), str(path))

    @classmethod
    def parse(cls, raw: bytes, read: Callable[[str], bytes], name: str = "the policy") -> Self:
        """Read a policy; ``read`` gives the files that it names. Raises DocumentError, InputError."""
        root = read_fields(raw, name, MAX_POLICY)
        members(root, "version", "identities", "rules")
        if root.integer("version") != 1:
            root.fail("version", "1 is required")
        identities = root.object("identities")
        known = {key: _identity(identities, key, read) for key in identities.value}
        rules = tuple(_rule(entry, known) for entry in root.objects("rules", limit=_MAX_PARTS))
        if not rules:
            root.fail("rules", "at least one rule is required")
        scopes = [scope for scope, _ in rules]
        for index, scope in enumerate(scopes):
            if scope in scopes[:index]:
                root.fail(f"rules[{index}].scope", f"{scope} has a rule already")
        return cls(rules, name)

    def for_reference(self, where: Reference) -> Policy:
        """The policy of the narrowest scope that a reference lies in. Raises PolicyViolation if there is none."""
        name = where.place or f"oci:{where.layout}"
        fitting = [(scope, policy) for scope, policy in self.rules if scope.covers(name)]
        if not fitting:
            message = f"{self.name} has no rule for {name}, so nothing from there is trusted"
            raise PolicyViolation(message, findings=(message,), hint="add a rule with this scope, or one with '*'")
        return max(fitting, key=lambda rule: rule[0].narrowness)[1]


def _identity(identities: Fields, key: str, read: Callable[[str], bytes]) -> Identity:
    if not _NAME.fullmatch(key):
        identities.fail(key, "a name of 1 to 100 characters, without control characters, is required")
    fields = identities.object(key)
    try:
        return identity(key, fields, read)
    except DocumentError:
        raise
    except ModelPackError as error:
        raise DocumentError(fields.document, fields.path, str(error), hint=error.hint) from None


def _rule(fields: Fields, known: Mapping[str, Identity]) -> tuple[Scope, Policy]:
    members(fields, "scope", "require")
    try:
        scope = Scope.parse(fields.text("scope"))
    except InputError as error:
        fields.fail("scope", str(error))
    return scope, _policy(fields.object("require"), known)


def _policy(fields: Fields, known: Mapping[str, Identity]) -> Policy:
    """Exactly one requirement; ``all`` and ``any`` hold several."""
    members(fields, "signed", "attested", "all", "any", "insecureAcceptAnything")
    if len(fields.value) != 1:
        fields.fail("", "exactly one of signed, attested, all, any, insecureAcceptAnything is required")
    try:
        match next(iter(fields.value)):
            case "signed":
                return _signed(fields.object("signed"), known)
            case "attested":
                return _attested(fields.object("attested"), known)
            case "all":
                return AllOf(*(_policy(part, known) for part in fields.objects("all", limit=_MAX_PARTS)))
            case "any":
                return AnyOf(*(_policy(part, known) for part in fields.objects("any", limit=_MAX_PARTS)))
        if fields.flag("insecureAcceptAnything") is not True:
            fields.fail("insecureAcceptAnything", "only true makes sense here")
        return InsecureAcceptAnything()
    except InputError as error:
        fields.fail("", str(error))


def _signed(fields: Fields, known: Mapping[str, Identity]) -> Policy:
    members(fields, "by", "threshold", "after", "modelSignatures")
    return SignedBy(
        *_by(fields, known),
        threshold=fields.integer("threshold") if "threshold" in fields.value else 1,
        after=moment(fields, "after"),
        model_signatures=fields.flag("modelSignatures") or False,
    )


def _attested(fields: Fields, known: Mapping[str, Identity]) -> Policy:
    members(fields, "type", "by", "threshold", "after", "where")
    kind = fields.text("type")
    conditions = fields.object("where").value
    if any(value == [] for value in conditions.values()):
        fields.fail("where", "a list without values can never be satisfied")
    wanted = {path: tuple(value) if isinstance(value, list) else value for path, value in conditions.items()}
    return Attested(
        PREDICATES.get(kind, kind),
        *_by(fields, known),
        threshold=fields.integer("threshold") if "threshold" in fields.value else 1,
        after=moment(fields, "after"),
        where=wanted,
    )


def _by(fields: Fields, known: Mapping[str, Identity]) -> tuple[Identity, ...]:
    value = fields.value.get("by")
    names = (value,) if isinstance(value, str) else fields.texts("by")
    for name in names:
        if name not in known:
            fields.fail("by", f"{name!a} is not among the identities")
    return tuple(known[name] for name in dict.fromkeys(names))
