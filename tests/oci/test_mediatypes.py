from __future__ import annotations

from itertools import product

import pytest

from modelpack.oci import Codec, Kind, LayerType, annotation, is_document
from modelpack.oci.mediatypes import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    FILE_METADATA,
    FILEPATH,
    MODEL_CONFIG,
    MODEL_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
)


@pytest.mark.parametrize(("kind", "codec"), list(product(Kind, Codec)))
def test_layer_types_of_the_specification(kind: Kind, codec: Codec) -> None:
    layer = LayerType(kind, codec)
    assert str(layer) == f"application/vnd.cncf.model.{kind.value}.v1.{codec.value}"
    assert LayerType.parse(str(layer)) == layer
    assert LayerType.parse(f"application/vnd.cnai.model.{kind.value}.v1.{codec.value}") == layer


def test_the_literal_types() -> None:
    assert str(LayerType(Kind.CONFIG, Codec.TAR_ZSTD)) == "application/vnd.cncf.model.weight.config.v1.tar+zstd"
    assert LayerType.parse("application/vnd.cncf.model.weight.v1.raw") == LayerType(Kind.WEIGHT, Codec.RAW)


@pytest.mark.parametrize("suffix", ["gguf", "safetensors"])
def test_what_docker_model_runner_wrote(suffix: str) -> None:
    assert LayerType.parse(f"application/vnd.cncf.model.weight.v1.{suffix}") == LayerType(Kind.WEIGHT, Codec.RAW)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.cncf.model.weight.v2.raw",
        "application/vnd.cncf.model.weight.v1.zip",
        "application/vnd.cncf.model.weight.v1.raw\n",
        "application/vnd.cncf.model.weight.v1.raw; charset=utf-8",
        "application/vnd.cnai.model.weight.v1.gguf",
        "application/vndXcncf.model.weight.v1.raw",
        MODEL_CONFIG,
    ],
)
def test_other_types(media_type: str) -> None:
    assert LayerType.parse(media_type) is None


def test_documents() -> None:
    assert all(map(is_document, (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX)))
    assert not any(map(is_document, (MODEL_MANIFEST, MODEL_CONFIG, "", "application/json")))


def test_annotations_under_both_names() -> None:
    assert annotation({FILEPATH: "a", "org.cnai.model.filepath": "b"}, FILEPATH) == "a"
    assert annotation({"org.cnai.model.filepath": "b"}, FILEPATH) == "b"
    assert annotation({"org.cnai.model.file.metadata+json": "{}"}, FILE_METADATA) == "{}"
    assert annotation({FILEPATH: ""}, FILEPATH) == ""
    assert annotation({}, FILEPATH) is None
