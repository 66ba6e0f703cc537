from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError
from modelpack.pack.metadata import ModelCard
from modelpack.pack.metadata.card import parse_card, parse_yaml

FULL = """---
license: apache-2.0
language:
- en
- zh-CN
- no
- EN
- multilingual
base_model: google/gemma-3-270m
base_model_relation: quantized
datasets: [one/two, three]
tags:
- a
-
- "null"
- b
pipeline_tag: text-generation
library_name: transformers
model-index:
- name: x
  results: [{task: {type: y}, metrics: [{value: 0.5}]}]
---
# Title
license: not-this-one
"""


def card(text: str) -> ModelCard | None:
    return parse_card(text.encode(), "README.md")


def test_full() -> None:
    assert card(FULL) == ModelCard(
        licenses=("Apache-2.0",),
        languages=("en", "no"),
        base_models=("google/gemma-3-270m",),
        base_model_relation="quantized",
        datasets=("one/two", "three"),
        tags=("a", "b"),
        pipeline_tag="text-generation",
        library_name="transformers",
    )


@pytest.mark.parametrize("prefix", ["\ufeff", "\n\r\n"])
def test_where_it_begins(prefix: str) -> None:
    assert card(prefix + FULL.replace("\n", "\r\n")) == card(FULL)


@pytest.mark.parametrize(
    "text", ["", "# Title\n---\nlicense: mit\n---\n", "---\nlicense: mit\n", "----\nlicense: mit\n----\n"]
)
def test_no_front_matter(text: str) -> None:
    assert card(text) is None


@pytest.mark.parametrize(
    ("matter", "licenses"),
    [
        ("license: other\nlicense_name: llama3.1", ("LicenseRef-llama3.1",)),
        ("license: other\nlicense_name: mit", ("MIT",)),
        ("license: [mit, apache-2.0, MIT]", ("MIT", "Apache-2.0")),
        ("license: mit\nlicense_name: something", ("MIT",)),
        ("license: unknown", ()),
        ("license:", ()),
        ("license: null", ()),
        ("license: {a: b}", ()),
        ("license: [[mit]]", ()),
    ],
)
def test_licenses(matter: str, licenses: tuple[str, ...]) -> None:
    found = card(f"---\n{matter}\n---\n")
    assert found is not None
    assert found.licenses == licenses


@pytest.mark.parametrize(
    ("matter", "reason"),
    [
        ("a: &a [x]\nb: *a", "README.md: front matter: aliases are not read"),
        ("a: " + "[" * 40 + "]" * 40, "nested deeper than 32"),
        ("a: [", "not YAML: .* at line"),
        ("a: b: c", "not YAML: mapping values are not allowed .* at line 1"),
        ("a: '\x01'", "not YAML: "),
        ("- a", "keys and values are expected"),
        ("", "keys and values are expected"),
    ],
)
def test_refused(matter: str, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        card(f"---\n{matter}\n---\n")


def test_aliases_cannot_make_it_huge() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    with pytest.raises(DocumentError, match="aliases"):
        card("---\n" + "\n".join(lines) + "\n---\n")


def test_invisible_characters_and_length() -> None:
    found = card('---\npipeline_tag: "a\\e[31m\\u202eb\\n c"\nlibrary_name: ' + "x" * 5000 + "\n---\n")
    assert found is not None
    assert found.pipeline_tag == "a [31m b c"
    assert len(found.library_name) == 200


@pytest.mark.parametrize("library", [True, False])
@settings(deadline=None, max_examples=80)
@given(text=st.text(max_size=60) | st.text(alphabet="-: \n[]{}&*!|>'\"%@`#,?abU\\0F~\t", max_size=60))
def test_any_yaml_is_read_or_refused(library: bool, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not library:
            patch.delattr(yaml, "CSafeLoader", raising=False)
        try:
            parse_yaml(text)
        except ValueError as error:
            assert str(error)  # noqa: PT017  # whether it raises is up to the text


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=80))
def test_any_readme_is_read_or_refused(data: bytes) -> None:
    for readme in (data, b"---\n" + data + b"\n---\n"):
        try:
            assert isinstance(parse_card(readme, "README.md"), ModelCard | None)
        except DocumentError as error:
            assert str(error).isprintable()  # noqa: PT017
