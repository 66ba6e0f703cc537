"""``index.json``: which manifests a layout holds, and their names (image-spec, image-layout.md "index.json file")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from modelpack.errors import InvalidReference, NotFound, StoreError
from modelpack.oci import MAX_DOCUMENT, Descriptor, Digest, JSONObject, dumps, loads_object
from modelpack.oci.fields import Fields
from modelpack.oci.manifest import MAX_MANIFESTS
from modelpack.oci.mediatypes import INDEX_TYPES, OCI_INDEX, REF_NAME
from modelpack.oci.reference import is_attachment_name

# The specification's grammar for the annotation, and whatever else a repository and a tag may look like.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/:@+-]{0,511}")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LayoutIndex:
    """The entries of ``index.json``, and the members of the document that are somebody else's.

    A manifest with several names has several entries; one without a name has one, without the annotation.
    """

    entries: tuple[Descriptor, ...]
    members: JSONObject

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read it. Raises DocumentError."""
        fields = Fields(loads_object(raw, "index.json"), "index.json")
        if fields.value.get("schemaVersion") != 2:
            fields.fail("schemaVersion", "2 is required")
        if fields.text("mediaType", OCI_INDEX) not in INDEX_TYPES:
            fields.fail("mediaType", "not the type of an index")
        entries = tuple(Descriptor.from_json(entry) for entry in fields.objects("manifests", limit=MAX_MANIFESTS))
        return cls(entries, fields.value)

    def dump(self) -> bytes:
        """Write it. Raises StoreError if it became too long to be read again."""
        raw = dumps({**self.members, "manifests": [entry.to_json() for entry in self.entries]})
        if len(raw) > MAX_DOCUMENT or len(self.entries) > MAX_MANIFESTS:
            raise StoreError("index.json would become too long", hint="delete manifests, or use another layout")
        return raw

    @property
    def names(self) -> dict[str, Digest]:
        """All names, sorted, and what they name."""
        return dict(sorted((name, entry.digest) for entry in self.entries if (name := ref_name(entry))))

    def holds(self, digest: Digest) -> bool:
        """Whether a manifest has an entry."""
        return any(entry.digest == digest for entry in self.entries)

    def find(self, name: str) -> Descriptor:
        """What has a name; for the empty name, the only manifest. Raises NotFound, InvalidReference (ambiguous)."""
        found = {entry.digest: entry for entry in (self._named(check_name(name)) if name else self._main())}
        if len(found) == 1:
            return next(iter(found.values())).plain()
        if not found:
            raise NotFound(f"nothing is named {name!r}" if name else "the layout is empty", hint=self._hint())
        what = f"{len(found)} manifests are named {name!r}" if name else f"the layout holds {len(found)} manifests"
        raise InvalidReference(f"{what}: say which", hint=self._hint() or "give the digest of one")

    def added(self, descriptor: Descriptor) -> Self:
        """With an entry for a manifest, if it has none."""
        if self.holds(descriptor.digest):
            return self
        return replace(self, entries=(*self.entries, replace(descriptor, annotations={}, extra={})))

    def tagged(self, descriptor: Descriptor, name: str) -> Self:
        """With a name for a manifest. Whoever had the name before stays, without it."""
        holders = {entry.digest for entry in self._named(name)}
        if holders == {descriptor.digest}:
            return self
        bare = (self.untagged(name) if holders else self).added(descriptor)
        entries = list(bare.entries)
        for place, entry in enumerate(entries):
            if entry.digest == descriptor.digest and not ref_name(entry):
                entries[place] = entry.annotated(**{REF_NAME: name})
                return replace(self, entries=tuple(entries))
        mine = replace(descriptor, annotations={REF_NAME: name}, extra={})
        return replace(self, entries=(*entries, mine))

    def untagged(self, name: str) -> Self:
        """Without a name; a manifest that had no other keeps an entry. Raises NotFound."""
        gone = self._named(name)
        if not gone:
            raise NotFound(f"nothing is named {name!r}", hint=self._hint())
        kept = tuple(entry for entry in self.entries if ref_name(entry) != name)
        known = {entry.digest for entry in kept}
        bare = {entry.digest: entry.annotated(**{REF_NAME: None}) for entry in gone if entry.digest not in known}
        return replace(self, entries=(*kept, *bare.values()))

    def without(self, digests: frozenset[Digest]) -> Self:
        """Without some manifests and all their names."""
        return replace(self, entries=tuple(entry for entry in self.entries if entry.digest not in digests))

    def _named(self, name: str) -> tuple[Descriptor, ...]:
        return tuple(entry for entry in self.entries if ref_name(entry) == name)

    def _main(self) -> Iterator[Descriptor]:
        """What somebody who gives no name may mean: attachments usually have none."""
        named = [entry for entry in self.entries if (name := ref_name(entry)) and not is_attachment_name(name)]
        yield from named or [entry for entry in self.entries if not is_attachment_name(ref_name(entry))]

    def _hint(self) -> str:
        names = [name for name in self.names if not is_attachment_name(name)]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"it has {', '.join(names[:_SHOWN])}{more}" if names else ""


EMPTY = LayoutIndex((), {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})


def ref_name(entry: Descriptor) -> str:
    """The name that an entry gives; empty if none."""
    return entry.annotations.get(REF_NAME, "")


def check_name(name: str) -> str:
    """Raise InvalidReference for what cannot be a name in a layout."""
    if not _NAME.fullmatch(name):
        raise InvalidReference(
            f"{name[:80]!r} cannot be a name in a layout",
            hint="up to 512 letters, digits and ._/:@+- are allowed, the first a letter, a digit or _",
        )
    return name
