"""Is what is in a cache still what was verified? The kept manifest, the receipt and the files are held against each other."""

from __future__ import annotations

from dataclasses import dataclass

from modelpack.errors import InputError, ModelPackError, NotFound
from modelpack.oci import Digest, Manifest
from modelpack.stage.cache import Cache, target
from modelpack.stage.cache.folders import children, is_key
from modelpack.stage.snapshots import Depth, Receipt, damage
from modelpack.store import LayoutStore
from modelpack.unpack import contents, model_manifest
from modelpack.unpack.destination import os_errors

_SHORTEST = 12


@dataclass(frozen=True, slots=True)
class Checked:
    """A snapshot: where it is from by its receipt (empty: there is none), its bytes, and what is wrong (empty: nothing)."""

    key: str
    reference: str
    digest: Digest | None
    size: int
    damage: str


def check(cache: Cache, key: str, depth: Depth = Depth.FULL, *, jobs: int = 4) -> Checked:
    """Look at one snapshot; nothing is changed."""
    receipt = Receipt.load(cache, key)
    if receipt is None:
        return Checked(key, "", None, 0, "it has no valid receipt")
    wrong = _against_manifest(cache, key, receipt) or damage(cache, key, receipt, {}, depth, jobs=jobs)
    return Checked(key, receipt.reference, receipt.digest, receipt.size, wrong)


def find(cache: Cache, wanted: str) -> str:
    """The key that a name, a digest, a key or its beginning (12 digits) means. Raises NotFound, InputError."""
    text = wanted.removeprefix("sha256:").removeprefix("sha512:")
    found = [key for key in cache.keys() if len(text) >= _SHORTEST and key.startswith(text)]  # noqa: SIM118  # a method
    if text in found:
        return text
    if len(found) > 1:
        raise InputError(
            f"{wanted[:80]!a} means several snapshots", hint="modelpack stage status --format json shows them"
        )
    if found:
        return found[0]
    key = target(cache, wanted) if not is_key(text) and ":" not in wanted else ""
    if not key:
        raise NotFound(
            f"there is no {wanted[:80]!a} in {cache.root}", hint="modelpack stage status shows what there is"
        )
    return key


def used_bytes(cache: Cache) -> int:
    """Bytes of all blobs: what snapshots hold, for they are links to these. Raises InputError."""
    with os_errors(cache.blobs):
        return sum(path.lstat().st_size for folder in children(cache.blobs) for path in children(folder))


def _against_manifest(cache: Cache, key: str, receipt: Receipt) -> str:
    """What the receipt says that the manifest, kept when it was verified, does not."""
    if not key.startswith(receipt.digest.hex):
        return "its receipt is for something else"
    try:
        store = LayoutStore(cache.evidence, create=False)
        manifest = model_manifest(store, store.resolve(str(receipt.digest)))
    except ModelPackError as error:
        return f"the manifest that was verified cannot be read: {error}"
    return _unlike(receipt, manifest)


def _unlike(receipt: Receipt, manifest: Manifest) -> str:
    layers = {str(layer.digest) for layer in manifest.layers}
    raw = {entry.path: entry.descriptor.digest for entry in contents(manifest) if entry.is_file}
    for file in receipt.files:
        if file.layer and file.layer not in layers:
            return f"{file.path} is from a layer that the manifest does not have"
        if file.layer and Digest.parse(file.layer) not in receipt.archives and str(file.digest) != file.layer:
            return f"{file.path} is not as its layer"
    if not receipt.variant:
        there = {file.path: file.digest for file in receipt.files}
        return next((f"{path} is missing or another" for path, digest in raw.items() if there.get(path) != digest), "")
    return ""
