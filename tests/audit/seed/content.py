"""Files that are unsafe or broken, claims about weights, and what needs tidying up."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

from modelpack.oci import Codec, Descriptor, Digest, Kind, Manifest
from modelpack.oci.mediatypes import OCI_EMPTY
from modelpack.pack import Layout
from modelpack.store import tag_of
from tests.audit.seed.folders import config, weights
from tests.audit.seed.kit import NOW, Kit, case
from tests.formats import build as made
from tests.scan.hostile_files import CONTAINERS, DOCUMENTS, GOOD, POLYGLOTS, UNSAFE_TEMPLATES

BESIDE: dict[str, tuple[str, str, bytes, tuple[str, ...]]] = {
    "pickle": ("pickle", "extra.pt", GOOD, ("MP050",)),
    "pickle-evil": ("pickle", "extra.pt", CONTAINERS["torch"][1], ("MP050", "MP051")),
    "pickle-in-disguise": ("pickle", "weights.dat", CONTAINERS["torch under another name"][1], ("MP050", "MP051")),
    "zip-with-a-tail": ("archive", "extra.pt", POLYGLOTS["bytes after a zip"][1], ("MP050", "MP052")),
    "zip-encrypted": ("archive", "extra.pt", POLYGLOTS["encrypted"][1], ("MP050", "MP052")),
    "tar-leads-out": ("archive", "extra.tar", POLYGLOTS["leads out of a tar"][1], ("MP052",)),
    "template-evil": ("template", "chat_template.jinja", UNSAFE_TEMPLATES["class"].encode(), ("MP053",)),
    "template-broken": ("template", "chat_template.jinja", b"{% for %}", ("MP053",)),
    "keras-lambda": ("keras", "extra.keras", DOCUMENTS["Keras Lambda"][1], ("MP055",)),
    "torchscript": ("pickle", "extra.pt", CONTAINERS["TorchScript"][1], ("MP050", "MP063")),
    "python": ("code", "modeling.py", b"import os\n", ("MP056",)),
    "program": ("code", "tool", b"\x7fELF\x02\x01\x01" + bytes(60), ("MP056",)),
    "onnx-odd": ("onnx", "extra.onnx", DOCUMENTS["ONNX with others' operators"][1], ("MP058",)),
    "closed": ("engine", "extra.engine", DOCUMENTS["TensorRT"][1], ("MP059",)),
    "onnx-outside": ("onnx", "extra.onnx", DOCUMENTS["ONNX reads above"][1], ("MP058", "MP062")),
}


PODS = """
apiVersion: v1
kind: Pod
metadata: {{name: server, namespace: ml}}
spec:
  volumes:
  - {{name: loose, image: {{reference: "{loose}"}}}}
  - {{name: pinned, image: {{reference: "{pinned}"}}}}
"""


def beside(path: str, data: bytes) -> Callable[[Kit, str], object]:
    """A good model with one more file."""
    return lambda kit, name: kit.model(name, {path: data})


for _name, (_, _path, _data, _rules) in BESIDE.items():
    case(_name, *_rules)(beside(_path, _data))


@case("auto-map", "MP054")
def auto_map(kit: Kit, name: str) -> None:
    kit.model(name, {"config.json": config(auto_map={"AutoModel": "modeling.Mine"})})


@case("pickle-called-safetensors", "MP050", "MP051", "MP057")
def disguised(kit: Kit, name: str) -> None:
    kit.model(name, {"extra.safetensors": POLYGLOTS["pickle called safetensors"][1]})


@case("header-broken", "MP060")
def header(kit: Kit, name: str) -> None:
    kit.model(name, {"extra.safetensors": DOCUMENTS["duplicate tensor"][1]})


@case("shards-missing", "MP061")
def shards(kit: Kit, name: str) -> None:
    first = weights(name, {"a.weight": ("F16", (10, 4))})
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = {"metadata": {"total_size": 160}, "weight_map": {"a.weight": names[0], "b.weight": names[1]}}
    raw = json.dumps(index).encode()
    kit.model(name, {"model.safetensors": None, names[0]: first, "model.safetensors.index.json": raw})


@case("precision", "MP070")
def precision(kit: Kit, name: str) -> None:
    kit.model(name, precision="bfloat16")


@case("size", "MP071")
def size(kit: Kit, name: str) -> None:
    kit.model(name, param_size="7B")


@case("format", "MP072")
def wrong_format(kit: Kit, name: str) -> None:
    kit.model(name, format="gguf")


@case("family", "MP072")
def family(kit: Kit, name: str) -> None:
    kit.model(name, family="llama")


@case("quantization", "MP073")
def quantization(kit: Kit, name: str) -> None:
    pairs = (
        made.pair("general.name", 8, made.text(name)),
        made.pair("general.file_type", 4, (15).to_bytes(4, "little")),
    )
    raw = made.gguf(pairs, (made.tensor("t", (32,), 0, 0),), bytes(128))
    kit.model(name, {"model.safetensors": None, "config.json": None, "model.gguf": raw}, quantization="q8_0")


@case("packed", "MP074")
def packed(kit: Kit, name: str) -> None:
    kit.model(name, quantization="gptq", param_size="7B")


@case("format-not-allowed", "MP075")
def not_allowed(kit: Kit, name: str) -> None:
    """The policy allows GGUF alone for this repository."""
    kit.model(name)


@case("deployed-by-tag", "MP130")
def deployed(kit: Kit, name: str) -> None:
    """A pod's manifest names it by its tag; another, which is good, by its digest."""
    kit.model(name)
    good = kit.at("good-plain", kit.found["good-plain"])
    (kit.folder / "pods.yaml").write_text(PODS.format(loose=f"{kit.place(name)}:v1", pinned=good))


@case("stale", "MP100")
def stale(kit: Kit, name: str) -> None:
    kit.model(name, created=NOW - timedelta(days=800))


@case("orphan", "MP102")
def orphan(kit: Kit, name: str) -> None:
    """A good model, and cosign's tag about one that never was here."""
    kit.model(name)
    empty = Descriptor.of(OCI_EMPTY, b"{}")
    manifest = Manifest.build(artifact_type="", config=empty, layers=(empty,))
    kit.put(name, manifest, b"{}", tag=tag_of(Digest.of(b"never here"), "sig"))


@case("double-a", "MP074")
def double(kit: Kit, name: str) -> None:
    kit.model(name, layout=archives(Codec.TAR), seed="double")


@case("double-b", "MP074", "MP103")
def double_again(kit: Kit, name: str) -> None:
    kit.model(name, layout=archives(Codec.TAR_GZIP), seed="double")


def archives(codec: Codec) -> Layout:
    """Each file in an archive of its own."""
    return Layout(dict.fromkeys(Kind, codec))
