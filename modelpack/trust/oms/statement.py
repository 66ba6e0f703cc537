"""The statement: written from digests that are known already, read with every check that the specification asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Self

from modelpack.errors import CannotVerify, DocumentError, InputError, UnsafePath
from modelpack.oci import JSON, Digest, JSONObject
from modelpack.oci.fields import Fields
from modelpack.paths import safe_path
from modelpack.trust.envelope import Statement
from modelpack.trust.keys import PublicKey

OMS = "https://model_signing/signature/v1.0"
"""The predicate type."""

oms_kinds = frozenset({"ecdsa-p256", "ecdsa-p384", "ecdsa-p521"})
"""The kinds of keys that the specification allows."""

IGNORED = (".git", ".gitattributes", ".github", ".gitignore", ".modelpack.json")
"""What a signature that is written here does not speak of: git's files, as the reference implementation has it, and the
record that ``pull`` leaves in a folder.
"""
_SIZES = {"sha256": 32, "blake2b": 64}
_MAX_RESOURCES = 1_000_000
_MAX_SHARD = 1 << 53


@dataclass(frozen=True, slots=True)
class FileList:
    """What is signed: digests (raw bytes) by name.

    With ``shard`` (bytes), names are ``path:start:end``, and the digests those of pieces of files; 0: of whole files.
    ``ignored`` are paths, relative to the model, that the signature does not speak of.
    """

    digests: Mapping[str, bytes] = field(hash=False)
    algorithm: str = "sha256"
    shard: int = 0
    ignored: tuple[str, ...] = IGNORED
    links: bool = False

    @classmethod
    def of_files(cls, files: Mapping[str, Digest]) -> Self:
        """The list for files whose SHA-256 is known. Raises InputError."""
        if not files or any(digest.algorithm != "sha256" for digest in files.values()):
            raise InputError("model signing needs the SHA-256 of at least one file")
        return cls({path: bytes.fromhex(digest.hex) for path, digest in files.items()})

    @classmethod
    def from_statement(cls, statement: Statement) -> Self:
        """Read a signed statement. Raises DocumentError, CannotVerify (hashes that are not built in)."""
        if statement.predicate_type != OMS or len(statement.subjects) != 1:
            raise DocumentError(
                "statement", "", "not the signature of a model: one subject and another type are required"
            )
        predicate = Fields(statement.predicate, "statement", "predicate")
        how = predicate.object("serialization")
        algorithm, method = how.text("hash_type"), how.text("method")
        if algorithm not in _SIZES:
            raise CannotVerify(f"the files are hashed with {algorithm[:20]!a}, which is not known here")
        if method not in ("files", "shards"):
            how.fail("method", "files or shards are required")
        shard = _shard_size(how) if method == "shards" else 0
        named = f"{algorithm}-sharded-{shard}" if shard else algorithm
        digests: dict[str, bytes] = {}
        for entry in predicate.objects("resources", limit=_MAX_RESOURCES):
            name = entry.text("name")
            _check_name(entry, name, shards=method == "shards")
            if name in digests:
                entry.fail("name", "stands twice")
            digests[name] = _digest(entry, algorithm, named)
        listed = cls(
            digests=digests,
            algorithm=algorithm,
            shard=shard,
            ignored=how.texts("ignore_paths"),
            links=how.flag("allow_symlinks") or False,
        )
        if not digests or statement.subjects[0].digests.get("sha256") != listed.root.hex:
            raise DocumentError("statement", "subject", "its digest is not that of the list of files")
        return listed

    @property
    def root(self) -> Digest:
        """SHA-256 over the raw digests in the order of the names: the statement's subject."""
        return Digest(
            "sha256", hashlib.sha256(b"".join(self.digests[name] for name in sorted(self.digests))).hexdigest()
        )

    def to_statement(self, name: str) -> Statement:
        """The statement for a model of this name."""
        resources: list[JSON] = [
            {"name": path, "algorithm": self.algorithm, "digest": self.digests[path].hex()}
            for path in sorted(self.digests)
        ]
        how: JSONObject = {
            "method": "files",
            "hash_type": self.algorithm,
            "allow_symlinks": self.links,
            "ignore_paths": list(self.ignored),
        }
        predicate: JSONObject = {"resources": resources, "serialization": how}
        return Statement.build(OMS, predicate, self.root, name=name)

    def differences(self, found: Mapping[str, bytes]) -> tuple[str, ...]:
        """How other digests differ from the signed ones, in sentences; empty: not at all."""
        return (
            *(f"{name!a} is signed but missing" for name in _missing(self.digests, found)),
            *(f"{name!a} is there but not signed" for name in _missing(found, self.digests)),
            *(
                f"{name!a} is not what was signed"
                for name in sorted(self.digests)
                if name in found and found[name] != self.digests[name]
            ),
        )


def oms_hint(key: PublicKey) -> str:
    """The hint that the reference implementation compares: SHA-256 of the PEM text, in hexadecimal. Not Sigstore's."""
    return hashlib.sha256(key.pem).hexdigest()


def _missing(these: Iterable[str], those: Mapping[str, bytes]) -> list[str]:
    return sorted(name for name in these if name not in those)


def _check_name(entry: Fields, name: str, *, shards: bool) -> None:
    path = name
    if shards:
        path, _, place = name.rpartition(":")
        path, _, start = path.rpartition(":")
        if not (place.isascii() and place.isdigit() and start.isascii() and start.isdigit() and len(place) < 20):
            entry.fail("name", "path:start:end is required")
    try:
        normal = str(safe_path(path))
    except UnsafePath as error:
        entry.fail("name", str(error))
    if normal != str(PurePosixPath(path)) or path != normal:
        entry.fail("name", "a relative path in its shortest form is required")


def _shard_size(how: Fields) -> int:
    """Bytes. The reference implementation writes ``1000000000.0``: in protobuf's Struct every number is a double."""
    size = how.value.get("shard_size")
    if isinstance(size, float) and size.is_integer() and size <= _MAX_SHARD:
        size = int(size)
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= _MAX_SHARD:
        how.fail("shard_size", "a number of bytes is required")
    return size


def _digest(entry: Fields, algorithm: str, named: str) -> bytes:
    """``named`` is what the reference implementation calls the algorithm where it hashes shards."""
    if entry.text("algorithm", algorithm) not in (algorithm, named):
        entry.fail("algorithm", f"{algorithm} is required, as for the others")
    text = entry.text("digest")
    if len(text) != 2 * _SIZES[algorithm] or text.strip("0123456789abcdef"):
        entry.fail("digest", f"{_SIZES[algorithm]} bytes in small hexadecimal digits are required")
    return bytes.fromhex(text)
