"""Real pods: init container, then server, as Kubernetes runs them; podman stands for the kubelet."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelpack import PrivateKey
from tests.deploy.conftest import Published, published
from tests.deploy.engine import Engine
from tests.deploy.pods import USER, Pod
from tests.real.registries import Registry
from tests.stage.models import content


@pytest.fixture(name="pod")
def _pod(engine: Engine, tmp_path: Path, signer: PrivateKey) -> Iterator[Pod]:
    pod = Pod.prepare(engine, tmp_path, signer.public_key)
    yield pod
    pod.remove()


def volume(kind: str, pod: Pod) -> dict[str, Any]:
    """Both kinds of cache that a pod can have."""
    if kind == "emptyDir":
        return {"emptyDir": {}}
    return {"hostPath": {"path": f"{pod.folder}/cache", "type": "Directory"}}


def header(model: Path) -> tuple[int, int]:
    """How many tensors and elements a file says that it has."""
    with model.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        tensors = json.loads(file.read(length))
    shapes = [tensor["shape"] for name, tensor in tensors.items() if name != "__metadata__"]
    return len(shapes), sum(map(math.prod, shapes))


@pytest.mark.parametrize("kind", ["emptyDir", "hostPath"])
def test_a_server_loads_what_was_staged(kind: str, pod: Pod, image: str, loader: str, minilm: Published) -> None:
    code, said = pod.play(image, loader, minilm.reference, volume(kind, pod))
    assert code == 0, said
    found = pod.main()
    assert (found["tensors"], found["elements"]) == header(minilm.folder / "model.safetensors")
    assert found["uid"] == USER
    assert found["refused"] == 30  # EROFS
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(found["files"])
    told = pod.message()
    assert (told["result"], told["digest"], told["fetched"]) == ("miss", minilm.digest, told["bytes"])
    assert told["signer"].startswith("key ")
    if kind == "hostPath":
        staged = content(pod.folder / "cache" / "current")
        assert staged["model.safetensors"] == (minilm.folder / "model.safetensors").read_bytes()
        pod.remove()
        code, said = pod.play(image, loader, minilm.reference, volume(kind, pod))
        assert code == 0, said
        assert pod.main() == found
        assert (pod.message()["result"], pod.message()["fetched"]) == ("hit", 0)


@pytest.mark.parametrize("kind", ["unsigned", "another key"])
def test_without_the_right_signature_the_server_never_starts(
    kind: str, pod: Pod, image: str, loader: str, distribution: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    stranger = None if kind == "unsigned" else PrivateKey.generate("ecdsa-p256")
    model = published(folder, distribution.repository("ml/tiny"), stranger)
    code, said = pod.play(image, loader, model.reference, volume("hostPath", pod))
    assert code != 0
    assert "exited with code 1" in said
    assert pod.state() == "created true"
    told = pod.message()
    assert told["result"] == "error"
    assert told["error"] == ("NoSignature" if stranger is None else "UntrustedIdentity")
    assert told["message"]
    assert list((pod.folder / "cache").iterdir()) == []
