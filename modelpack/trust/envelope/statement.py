"""in-toto statements (in-toto attestation framework v1, ``spec/v1/statement.md``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from modelpack.errors import InputError
from modelpack.oci import Digest, JSONObject, dumps, loads_object
from modelpack.oci.fields import Fields
from modelpack.trust.envelope.dsse import only

STATEMENT = "https://in-toto.io/Statement/v1"
_TYPES = (STATEMENT, "https://in-toto.io/Statement/v0.1")  # cosign attest still writes the older one
MAX_STATEMENT = 32 << 20
"""Bytes: a bill of materials can be the predicate."""
_MAX_SUBJECTS = 1024
_MAX_DIGESTS = 32


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: digests by algorithm, in hexadecimal, and a name that proves nothing. ``cosign sign`` puts
    its annotations here.
    """

    name: str
    digests: Mapping[str, str] = field(hash=False)
    annotations: JSONObject = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed statement; ``raw`` are the bytes that were signed."""

    raw: bytes = field(repr=False)
    predicate_type: str
    subjects: tuple[Subject, ...]
    predicate: JSONObject = field(hash=False, repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a statement. Raises DocumentError."""
        fields = Fields(loads_object(raw, "statement", limit=MAX_STATEMENT), "statement")
        only(fields, "_type", "subject", "predicateType", "predicate")
        if fields.text("_type") not in _TYPES:
            fields.fail("_type", "not an in-toto statement that is known here")
        subjects = tuple(_subject(entry) for entry in fields.objects("subject", limit=_MAX_SUBJECTS))
        if not subjects:
            fields.fail("subject", "must not be empty")
        return cls(raw, fields.text("predicateType"), subjects, fields.object("predicate").value)

    @classmethod
    def build(
        cls,
        predicate_type: str,
        predicate: JSONObject,
        subject: Digest,
        *,
        name: str = "",
        annotations: Mapping[str, str] | None = None,
    ) -> Self:
        """Write a statement about one digest. cosign leaves the name out where it signs, and puts annotations to the subject;
        OMS and sigstore-python want a name. Raises InputError for a predicate that JSON cannot say.
        """
        about: JSONObject = {"name": name} if name else {}
        about["digest"] = {subject.algorithm: subject.hex}
        if annotations:
            about["annotations"] = {key: annotations[key] for key in sorted(annotations)}
        document: JSONObject = {
            "_type": STATEMENT,
            "subject": [about],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
        try:
            raw = dumps(document)
        except (TypeError, ValueError) as error:  # a date, not-a-number, half a surrogate pair
            raise InputError(f"the predicate is not JSON: {error}") from None
        return cls.parse(raw)

    def is_about(self, digest: Digest) -> bool:
        """Whether a digest is among the subjects'."""
        return any(subject.digests.get(digest.algorithm) == digest.hex for subject in self.subjects)


def _subject(fields: Fields) -> Subject:
    digests = fields.mapping("digest")
    if not 0 < len(digests) <= _MAX_DIGESTS:
        fields.fail("digest", f"1 to {_MAX_DIGESTS} digests are required")
    return Subject(fields.text("name", ""), digests, fields.object("annotations").value)
