"""What lies where in a layout, for the tests that look there."""

from __future__ import annotations

import json
from pathlib import Path

from modelpack.oci import Digest
from modelpack.oci.mediatypes import OCI_INDEX
from modelpack.store import LayoutStore


def blob(store: LayoutStore, digest: Digest) -> Path:
    return store.path / "blobs" / digest.algorithm / digest.hex


def index(store: LayoutStore) -> dict[str, object]:
    document: dict[str, object] = json.loads((store.path / "index.json").read_bytes())
    return document


def left_over(store: LayoutStore) -> list[Path]:
    return list((store.path / ".modelpack" / "incoming").iterdir())


def write_index(store: LayoutStore, **members: object) -> None:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, **members}
    (store.path / "index.json").write_text(json.dumps(document))
