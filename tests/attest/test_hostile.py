"""Whatever is in cards, settings, headers and documents: only our own errors come out."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelpack.attest import crosscheck, cyclonedx, inventory, origin, parse_provenance, problems, spdx
from modelpack.attest.provenance import ci_facts, material
from modelpack.errors import ModelPackError
from modelpack.oci import Manifest, dumps
from modelpack.store import MemoryStore
from tests.attest.samples import REFERENCE, Sample
from tests.attest.test_inventory import build
from tests.oci.test_strictjson import values

FEW = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
TEXT = st.text(max_size=40)
WORDS = st.one_of(
    TEXT,
    st.sampled_from(
        [
            "acme/base",
            "hf://a/b@x",
            "oci://x@sha256:" + "0" * 64,
            "https://u:p@h/x y",
            "other",
            "MIT OR",
            "(((",
            "llama3",
        ]
    ),
)
YAML = st.recursive(
    WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8
)
CARDS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("license", "license_name", "base_model", "datasets", "language", "pipeline_tag"), YAML),
)
ADAPTERS = st.fixed_dictionaries({"base_model_name_or_path": values, "revision": values})
TEMPLATES = st.fixed_dictionaries({"chat_template": values})


def written(store: MemoryStore, layers: list[tuple[str, str, bytes]], config: bytes) -> None:
    """Make an inventory and every document of it, and check them: what we write is valid, whatever went in."""
    described = build(store, *layers, config=config)
    found = inventory(store, described, reference=REFERENCE)
    document = store.document(described)
    assert isinstance(document, Manifest)
    bills = [cyclonedx(found, tool_version="0", spec_version=version) for version in ("1.6", "1.7")]
    bills.append(spdx(found, tool_version="0"))
    for data in bills:
        assert [str(problem) for problem in problems(data)] == []
    documents = [one for one in crosscheck(found, document, bills) if int(one.code[2:]) >= 19]
    assert documents == []


@FEW
@given(CARDS, ADAPTERS, TEMPLATES, values)
def test_files(card: dict[str, Any], adapter: Any, template: Any, other: Any) -> None:
    import yaml

    front = f"---\n{yaml.safe_dump(card, allow_unicode=True)}---\n"
    layers = [
        ("doc.v1.raw", "README.md", front.encode("utf-8", "replace")),
        ("weight.config.v1.raw", "adapter_config.json", json.dumps(adapter).encode()),
        ("weight.config.v1.raw", "tokenizer_config.json", json.dumps(template).encode()),
        ("weight.config.v1.raw", "config.json", json.dumps({"model_type": other, "architectures": other}).encode()),
        ("weight.config.v1.raw", "x.safetensors.index.json", json.dumps({"weight_map": other}).encode()),
    ]
    written(MemoryStore(), layers, b"{}")


@FEW
@given(st.dictionaries(st.sampled_from(["name", "version", "licenses", "vendor", "createdAt", "sourceURL"]), WORDS))
def test_configurations(about: dict[str, Any]) -> None:
    about["licenses"] = [about["licenses"]] if "licenses" in about else []
    written(MemoryStore(), [("weight.v1.raw", "a b ä.bin", b"x")], json.dumps({"descriptor": about}).encode())


@FEW
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_bytes(card: bytes, settings_: bytes) -> None:
    layers = [
        ("doc.v1.raw", "README.md", b"---\n" + card + b"\n---\n"),
        ("weight.config.v1.raw", "config.json", settings_),
        ("weight.v1.raw", "m.gguf", b"GGUF" + settings_),
        ("doc.v1.tar+gzip", "docs", card),
    ]
    written(MemoryStore(), layers, b"{}")


@FEW
@given(
    st.one_of(
        st.binary(max_size=300),
        st.fixed_dictionaries(
            {"version": st.just("1")},
            optional=dict.fromkeys(("build", "source", "base_models", "datasets", "inputs"), YAML),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_provenance_files(data: bytes) -> None:
    with suppress(ModelPackError):
        parse_provenance(data)


@FEW
@given(WORDS, st.dictionaries(TEXT, TEXT))
def test_words(words: str, variables: dict[str, str]) -> None:
    assert len(origin(words).name) <= 1024
    assert ":p@" not in origin(words).uri
    with suppress(ModelPackError):
        material(words)
    ci_facts({**variables, "GITHUB_ACTIONS": "true", "GITHUB_SHA": words})


def mutations(name: str) -> Any:
    """Where in a document, and what stands there instead."""
    return st.tuples(st.just(name), st.lists(st.integers(0, 10), min_size=1, max_size=8), values)


@settings(FEW, max_examples=150)
@given(change=st.sampled_from(["cyclonedx", "spdx", "provenance", "scan", "vsa", "svr"]).flatmap(mutations))
def test_documents(tiny: Sample, change: tuple[str, list[int], Any]) -> None:
    name, steps, value = change
    document = place = tiny.json(name)
    for step in steps[:-1]:
        inside = list(place.values()) if isinstance(place, dict) else place
        inside = [item for item in inside if isinstance(item, dict | list) and item]
        if not inside:
            break
        place = inside[step % len(inside)]
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    place[keys[steps[-1] % len(keys)]] = value
    data = dumps(document)
    problems(data)
    crosscheck(tiny.inventory, tiny.manifest, [data])


@pytest.mark.parametrize("name", ["cyclonedx", "spdx", "provenance"])
@FEW
@given(value=values)
def test_any_json_that_claims_to_be_one(tiny: Sample, name: str, value: Any) -> None:
    marks: dict[str, dict[str, Any]] = {
        "cyclonedx": {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 0},
        "spdx": {"@graph": [value]},
    }
    mark: dict[str, Any] = {**marks.get(name, {"_type": "https://in-toto.io/Statement/v1"})}
    data = dumps({**(value if isinstance(value, dict) else {"predicate": value, "metadata": value}), **mark})
    assert problems(data) != ()
    crosscheck(tiny.inventory, tiny.manifest, [data])
