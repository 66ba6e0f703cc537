"""Signing and verifying against the size of the model: ``python -m bench.signing``.

Manifests say how large their layers are, and nobody may read them: the layers of the large models do not exist here at all, so a
command that read one would fail. Times are medians of whole library calls against a layout on disk, in one process.
"""

from __future__ import annotations

import json
import platform
import tempfile
from pathlib import Path
from statistics import median

import modelpack
from bench.measure import timed
from modelpack.oci import Descriptor, Digest, Manifest
from modelpack.oci.mediatypes import FILEPATH, MODEL_CONFIG, MODEL_MANIFEST
from modelpack.store import BytesSource, LayoutStore

SIZES = {
    "1 MB": (1, 10**6),
    "1 MB, 1,000 shards": (1000, 10**3),
    "100 GB": (1, 10**11),
    "100 GB, 1,000 shards": (1000, 10**8),
}
REPEATS = 15


def main() -> None:
    """Measure and print; the raw figures go to ``bench/results/signing.json``."""
    key = modelpack.PrivateKey.generate()
    policy = modelpack.SignedBy(key.public_key)
    results = {}
    print(f"{'model':<22} {'sign':>10} {'verify':>10}")
    for name, (count, size) in SIZES.items():
        # A layout of its own for each: what is attached is looked for among all that a layout holds.
        with tempfile.TemporaryDirectory() as folder:
            store = LayoutStore(Path(folder))
            signing, verifying = [], []
            for repeat in range(REPEATS):
                tag = f"oci:{folder}:m{count}-{size}-{repeat}"
                _model(store, count, size, f"m{count}-{size}-{repeat}")
                signing.append(timed(lambda tag=tag: modelpack.sign(tag, key)))  # type: ignore[misc]  # bound at once
                verifying.append(timed(lambda tag=tag: modelpack.verify(tag, policy=policy)))  # type: ignore[misc]
        results[name] = {"sign": median(signing), "verify": median(verifying), "layers": count}
        print(f"{name:<22} {median(signing) * 1000:7.1f} ms {median(verifying) * 1000:7.1f} ms")
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    place = Path(__file__).parent / "results" / "signing.json"
    place.write_text(json.dumps({"machine": machine, "repeats": REPEATS, "seconds": results}, indent=1) + "\n")


def _model(store: LayoutStore, count: int, size: int, name: str) -> None:
    """A manifest whose layers are not there."""
    media_type = "application/vnd.cncf.model.weight.v1.raw"
    layers = tuple(
        Descriptor(media_type, Digest.of(f"{name} {number}".encode()), size, {FILEPATH: f"{number}.safetensors"})
        for number in range(count)
    )
    config = store.push_bytes(MODEL_CONFIG, b"{}")
    manifest = Manifest.build(artifact_type=MODEL_MANIFEST, config=config, layers=layers)
    store.push(manifest.descriptor, BytesSource(manifest.raw))
    store.tag(manifest.descriptor, name)


if __name__ == "__main__":
    main()
