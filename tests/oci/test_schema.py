from __future__ import annotations

import copy
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from modelpack.errors import DocumentError
from modelpack.oci import (
    Codec,
    Descriptor,
    Digest,
    Kind,
    LayerType,
    Manifest,
    ModelConfig,
    config_problems,
    dumps,
    manifest_problems,
    schema,
    validate_config,
    validate_manifest,
)
from modelpack.oci.mediatypes import MODEL_CONFIG, MODEL_MANIFEST
from tests.oci.test_config import FULL
from tests.oci.test_strictjson import values

SCHEMAS = sorted((Path(__file__).parents[2] / "schemas").glob("*.json"))
DIGEST = Digest.of(b"")

LEGACY: dict[str, Any] = {
    "descriptor": {"createdAt": "2025-01-01T00:00:00Z", "name": "xyz", "licenses": ["Apache-2.0"]},
    "modelfs": {"type": "layers", "diff_ids": [str(DIGEST)]},
    "config": {
        "architecture": "transformer",
        "paramSize": "8b",
        "capabilities": {"input_types": ["text"], "knowledge_cutoff": "2024-05-21T00:00:00Z", "tool_usage": False},
    },
}


def changed(document: dict[str, Any], path: str, value: object) -> bytes:
    """A copy with one member set ("a.b.c"), or removed where the value is ``...``."""
    result = copy.deepcopy(document)
    *parents, last = path.split(".")
    place = result
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(result).encode()


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_the_schemas_are_schemas(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_text()))


def test_good_configs() -> None:
    validate_config(FULL.to_bytes())
    validate_config(replace(ModelConfig(), diff_ids=(DIGEST,)).to_bytes())
    validate_config(dumps(LEGACY))


CURRENT: dict[str, Any] = json.loads(FULL.to_bytes())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("descriptor", ..., "config: descriptor: is missing"),
        ("modelfs", ..., "config: modelfs: is missing"),
        ("modelfs", 3, "config: modelfs: an object is required"),
        ("modelfs.diffIds", ..., "config: modelfs.diffIds: is missing"),
        ("modelfs.diffIds", [], "config: modelfs.diffIds: must not be empty"),
        ("modelfs.diffIds", ["sha256:1"], "config: modelfs.diffIds[0]: 'sha256:1' does not have the form ^(sha256:"),
        ("modelfs.diffIds", [f"{DIGEST}\n"], "config: modelfs.diffIds[0]: "),
        ("modelfs.type", "files", "config: modelfs.type: must be 'layers'"),
        ("unheard", 1, "config: unheard: is not in the specification"),
        ("descriptor.a b\n", 1, "config: descriptor['a b\\n']: is not in the specification"),
        ("descriptor.name", "", "config: descriptor.name: must not be empty"),
        ("descriptor.authors", ["a", 1], "config: descriptor.authors[1]: a string is required"),
        ("descriptor.authors", "a", "config: descriptor.authors: an array is required"),
        (
            "descriptor.createdAt",
            "yesterday",
            "config: descriptor.createdAt: 'yesterday' is not a date and time of RFC",
        ),
        ("descriptor.createdAt", 5, "config: descriptor.createdAt: a string is required"),
        ("config.paramSize", "8 billion", "config: config.paramSize: '8 billion' does not have the form ^[0-9]+"),
        ("config.paramSize", "6.75B", "config: config.paramSize: '6.75B' does not have the form"),
        ("config.paramSize", "8" * 900, f"config: config.paramSize: '{'8' * 80}' does not have the form"),
        (
            "config.capabilities.inputTypes",
            ["smell"],
            "config: config.capabilities.inputTypes[0]: 'smell' is none of text, ",
        ),
        (
            "config.capabilities.inputTypes",
            [[]],
            "config: config.capabilities.inputTypes[0]: this is none of text, image, ",
        ),
        ("config.capabilities.reasoning", "yes", "config: config.capabilities.reasoning: true or false is required"),
        (
            "config.capabilities.languages",
            ["eng"],
            "config: config.capabilities.languages[0]: 'eng' does not have the form",
        ),
        ("config.capabilities.languages", ["en\n"], "config: config.capabilities.languages[0]: "),
        ("config.capabilities.input_types", ["text"], "config: config.capabilities.input_types: is not in the spec"),
    ],
)
def test_bad_configs(path: str, value: object, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        validate_config(changed(CURRENT, path, value))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("modelfs.diffIds", [str(DIGEST)], "config: modelfs.diffIds: is not in the specification"),
        ("descriptor.datasetsURL", [], "config: descriptor.datasetsURL: is not in the specification"),
        ("config.capabilities.toolUsage", True, "config: config.capabilities.toolUsage: is not in the specification"),
        ("config", ..., "config: config: is missing"),
    ],
)
def test_bad_legacy_configs(path: str, value: object, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        validate_config(changed(LEGACY, path, value))
    assert str(caught.value) == message


def test_every_problem_once() -> None:
    assert [problem.path for problem in config_problems(b"{}")] == ["descriptor", "modelfs", "config"]
    unheard = config_problems(changed(CURRENT, "config", {"a": 1, "b": 2, "format": 3}))
    assert sorted(problem.path for problem in unheard) == ["config.a", "config.b", "config.format"]


def test_a_bounded_number_of_problems() -> None:
    hostile = changed(CURRENT, "descriptor.authors", [1] * 5000)
    assert len(config_problems(hostile)) == schema.MAX_PROBLEMS
    hostile = changed(CURRENT, "descriptor", {f"x{number}": 1 for number in range(5000)})
    assert len(config_problems(hostile)) == schema.MAX_PROBLEMS


def test_not_json() -> None:
    (problem,) = config_problems(b'{"a":1,"a":2}')
    assert "stands twice" in problem.reason
    with pytest.raises(DocumentError, match="manifest: not JSON"):
        validate_manifest(b"")


@settings(deadline=None)
@given(values.filter(lambda value: value is not None), st.sampled_from(["", "descriptor", "modelfs", "config"]))
def test_any_document_is_judged_in_short_lines(value: Any, place: str) -> None:
    raw = changed(CURRENT, place, value) if place else dumps(value)
    for problem in (*config_problems(raw), *manifest_problems(raw)):
        assert str(problem).isascii()
        assert str(problem).isprintable()
        assert len(str(problem)) < 800


def manifest(**changes: object) -> bytes:
    layers = tuple(Descriptor(str(LayerType(kind, codec)), DIGEST, 0) for kind in Kind for codec in Codec)
    built = Manifest.build(
        artifact_type=MODEL_MANIFEST,
        config=Descriptor(MODEL_CONFIG, DIGEST, 2),
        layers=tuple(layer.annotated(**{"org.cncf.model.filepath": "a/b"}) for layer in layers),
        subject=Descriptor("application/vnd.oci.image.manifest.v1+json", DIGEST, 1),
        annotations={"org.opencontainers.image.created": "2026-01-01T00:00:00+01:00"},
    )
    return json.dumps({**json.loads(built.raw), **changes}).encode()


MANIFEST: dict[str, Any] = json.loads(manifest())


def test_good_manifests() -> None:
    validate_manifest(manifest())
    validate_manifest(manifest().replace(b".cncf.", b".cnai."))
    validate_manifest(manifest(unheard=1))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schemaVersion", 1, "manifest: schemaVersion: must be 2"),
        ("mediaType", ..., "manifest: mediaType: is missing"),
        ("artifactType", "a/b", "manifest: artifactType: 'a/b' is none of application/vnd.cncf.model.manifest"),
        ("config.mediaType", "a/b", "manifest: config.mediaType: 'a/b' is none of"),
        ("config.size", -1, "manifest: config.size: -1 is out of range"),
        ("config.size", 1 << 63, "manifest: config.size: 9223372036854775808 is out of range"),
        ("config.size", "1", "manifest: config.size: an integer is required"),
        ("layers", [], "manifest: layers: must not be empty"),
        ("layers.2.mediaType", "a/b", "manifest: layers[2].mediaType: 'a/b' does not have the form ^application"),
        ("layers.2.digest", ..., "manifest: layers[2].digest: is missing"),
        ("layers.2.annotations", {"x": 1}, "manifest: layers[2].annotations.x: a string is required"),
        (
            "layers.0.annotations",
            {"org.cncf.model.filepath": ""},
            "manifest: layers[0].annotations.org.cncf.model.filepath: ",
        ),
        (
            "layers.0.annotations",
            {"org.cncf.model.file.mediatype.untested": "yes"},
            "manifest: layers[0].annotations.org.cncf.model.file.mediatype.untested: 'yes' is none of true, false",
        ),
        ("subject", {}, "manifest: subject.mediaType: is missing"),
        ("manifests", [], "manifest: manifests: does not belong here"),
    ],
)
def test_bad_manifests(path: str, value: object, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        validate_manifest(changed(MANIFEST, path, value))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:00Z", True),
        ("2024-02-29t23:59:60.123456789z", True),
        ("2026-01-01T00:00:00+23:59", True),
        ("2026-02-29T00:00:00Z", False),
        ("2026-01-01T24:00:00Z", False),
        ("2026-01-01T00:00:61Z", False),
        ("2026-01-01T00:00:00", False),
        ("2026-01-01 00:00:00Z", False),
        ("2026-01-01T00:00:00+24:00", False),
        ("2026-01-01T00:00:00Z\n", False),
        ("٢٠٢٦-01-01T00:00:00Z", False),
        ("2026-01-01", False),
        ("", False),
    ],
)
def test_dates(text: str, expected: bool) -> None:
    assert schema.is_date_time(text) is expected


def test_an_installed_package_has_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_schemas").mkdir()
    (tmp_path / "_schemas" / "modelpack-config.schema.json").write_text('{"type":"array"}')
    monkeypatch.setattr(schema, "files", lambda _: tmp_path)
    schema._validator.cache_clear()
    try:
        assert [problem.reason for problem in config_problems(b"{}")] == ["an array is required"]
    finally:
        schema._validator.cache_clear()


def test_jsonschema_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, modelpack.oci; sys.exit('jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
