"""What Triton looks for, and what one rank of several reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import modelpack
from modelpack import Access, HttpOptions, InsecureAcceptAnything
from modelpack.errors import InputError
from modelpack.oci import Digest
from modelpack.stage import Arrangement, Form, Rank
from modelpack.staging import arrangement, stage
from tests.real.registries import Registry
from tests.stage.models import content

ACCESS = Access(HttpOptions(plain_http=True))
DIGEST = Digest.of(b"m")


@pytest.fixture(name="publish")
def _publish(own_registry: Registry, tmp_path: Path) -> Callable[[dict[str, bytes]], str]:
    def publish(files: dict[str, bytes]) -> str:
        for name, data in files.items():
            (tmp_path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "m" / name).write_bytes(data)
        reference = f"{own_registry.repository()}:v1"
        modelpack.push(modelpack.pack(tmp_path / "m", name="m"), reference, access=ACCESS)
        return reference

    return publish


def staged(reference: str, cache: Path, **options: object) -> dict[str, bytes]:
    stage(reference, cache, policy=InsecureAcceptAnything(), access=ACCESS, **options)  # type: ignore[arg-type]
    return content(cache / "current")


def test_a_repository_for_triton(publish: Callable[..., str], tmp_path: Path) -> None:
    reference = publish({"vad.onnx": b"onnx", "labels.txt": b"a\n"})
    files = staged(reference, tmp_path / "c", arrangement=arrangement("triton", reference, model="vad", version=3))
    assert files == {
        "vad/3/vad.onnx": b"onnx",
        "vad/3/labels.txt": b"a\n",
        "vad/config.pbtxt": b'name: "vad"\nbackend: "onnxruntime"\ndefault_model_filename: "vad.onnx"\nmax_batch_size: 0\n',
    }
    assert stage(
        reference,
        tmp_path / "c",
        policy=InsecureAcceptAnything(),
        access=ACCESS,
        arrangement=arrangement("triton", reference, model="vad", version=3),
    ).hit


def test_a_configuration_of_the_models_own_is_taken(publish: Callable[..., str], tmp_path: Path) -> None:
    reference = publish({"model.onnx": b"onnx", "config.pbtxt": b'backend: "onnxruntime"\n'})
    name = reference.rpartition("/")[2].partition(":")[0]
    files = staged(reference, tmp_path / "c", arrangement=arrangement("triton", reference))
    assert files == {f"{name}/1/model.onnx": b"onnx", f"{name}/config.pbtxt": b'backend: "onnxruntime"\n'}


def test_folders_of_versions_of_the_models_own(publish: Callable[..., str], tmp_path: Path) -> None:
    own = {"config.pbtxt": b"x\n", "labels.txt": b"a\n", "1/model.onnx": b"one", "2/model.onnx": b"two"}
    reference = publish(own)
    files = staged(reference, tmp_path / "c", arrangement=Arrangement(Form.TRITON, model="m", version=0))
    assert files == {f"m/{path}": data for path, data in own.items()}


@pytest.mark.parametrize(
    "paths",
    [{"a.onnx", "b.onnx"}, {"onnx/model.onnx"}, {"model.safetensors"}, {"model.onnx", "config.pbtxt"}, set[str]()],
)
def test_where_there_is_doubt_no_configuration_is_made_up(paths: set[str]) -> None:
    assert Arrangement(Form.TRITON, model="m").extras(DIGEST, paths) == {}
    assert Arrangement(Form.TRITON, model="m", version=0).extras(DIGEST, {"1/model.onnx"}) == {}


@pytest.mark.parametrize("name", ["model.onnx", 'a"b.onnx', "a\\b.onnx", "ä b.onnx", "a\n}.onnx"])
def test_triton_reads_the_configuration(name: str) -> None:
    protocol = pytest.importorskip("tritonclient.grpc.model_config_pb2", reason="pip install tritonclient[grpc]")
    text_format = pytest.importorskip("google.protobuf.text_format")
    made = Arrangement(Form.TRITON, model="m-1.x").extras(DIGEST, {name})["m-1.x/config.pbtxt"].decode()
    parsed = text_format.Parse(made, protocol.ModelConfig())
    assert (parsed.name, parsed.backend, parsed.max_batch_size) == ("m-1.x", "onnxruntime", 0)
    assert parsed.default_model_filename == name


@pytest.mark.parametrize("model", ["", ".", "..", "a/b", "-a", "a b", "a" * 97])
def test_names_that_triton_would_not_find(model: str) -> None:
    with pytest.raises(InputError):
        Arrangement(Form.TRITON, model=model)


def test_versions_that_cannot_be() -> None:
    for version in (-1, 2**31):
        with pytest.raises(InputError):
            Arrangement(Form.TRITON, model="m", version=version)
    variants = {Arrangement(Form.TRITON, model=model, version=n).variant for model in "ab" for n in (1, 2)}
    assert len(variants) == 4


def test_a_rank_gets_its_own_parts_and_what_is_for_all(publish: Callable[..., str], tmp_path: Path) -> None:
    shards = {
        f"model-rank-{rank}-part-{part}.safetensors": b"%d%d" % (rank, part) for rank in range(3) for part in (0, 1)
    }
    reference = publish({**shards, "config.json": b"{}", "tokenizer.json": b"{}"})
    files = staged(reference, tmp_path / "c", rank=Rank(1, 3))
    assert sorted(files) == [
        "config.json",
        "model-rank-1-part-0.safetensors",
        "model-rank-1-part-1.safetensors",
        "tokenizer.json",
    ]
    other = stage(reference, tmp_path / "c", policy=InsecureAcceptAnything(), access=ACCESS, rank=Rank(2, 3))
    assert other.fetched == 4, "what ranks share is there"
    with pytest.raises(InputError, match="cut into 3 parts, not into 2"):
        staged(reference, tmp_path / "c", rank=Rank(0, 2))


def test_engines(publish: Callable[..., str], tmp_path: Path) -> None:
    reference = publish({"rank0.engine": b"0", "rank1.engine": b"1", "rank10.engine": b"10", "config.json": b"{}"})
    with pytest.raises(InputError, match="cut into 3 parts"):
        staged(reference, tmp_path / "c", rank=Rank(0, 2))
    Rank(0, 2).check(["a/rank0.engine", "rank1.engine"])
    with pytest.raises(InputError, match="not cut into ranks"):
        Rank(0, 2).check(["model.safetensors"])


@pytest.mark.parametrize(("number", "world"), [(-1, 2), (2, 2), (0, 0), (0, 1025)])
def test_ranks_that_cannot_be(number: int, world: int) -> None:
    with pytest.raises(InputError):
        Rank(number, world)
