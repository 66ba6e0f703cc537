from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError, ModelPackError, UnsupportedFormat
from modelpack.oci import Kind
from modelpack.pack.recipes import Want, kitfile, parse_kitfile, read_kitfile

FULL = """
manifestVersion: "1.0.0"
package:
  name: demo
  version: 1.0
  description: A model
  license: Apache-2.0
  authors: [Ada, Grace]
model:
  name: inner
  path: ./model
  license: MIT
  framework: pytorch
  format: safetensors
  version: 2.0
  parts:
    - path: adapter.safetensors
      name: adapter
      type: lora
    - name: nothing
  parameters: {temperature: 0.5, list: [1, 2]}
code:
  - path: src/
    description: Training
    license: MIT
datasets:
  - {name: train, path: data/train.csv, parameters: {split: train}}
  - {name: far, remotePath: "s3://bucket/x", remoteHash: abc}
docs:
  - path: README.md
    description: read me
prompts: []
mcpServers: null
"""


def test_reads_all_fields() -> None:
    recipe = parse_kitfile(FULL)
    assert recipe.wants == (
        Want("model", None, "Kitfile model.path"),
        Want("adapter.safetensors", None, "Kitfile model.parts[0].path"),
        Want("src", Kind.CODE, "Kitfile code[0].path"),
        Want("data/train.csv", Kind.DATASET, "Kitfile datasets[0].path"),
        Want("README.md", Kind.DOC, "Kitfile docs[0].path"),
    )
    assert recipe.overrides == {
        "name": "demo",
        "version": "1.0",
        "description": "A model",
        "authors": ("Ada", "Grace"),
        "licenses": ("Apache-2.0", "MIT"),
        "format": "safetensors",
    }
    assert recipe.notes == (
        "Kitfile model.parameters: a ModelPack configuration has no place for them",
        "Kitfile datasets[1]: the remote data set 's3://bucket/x' is not fetched",
    )


def test_what_is_absent_is_not_said() -> None:
    recipe = parse_kitfile("package: {name: , license: ~, authors: null}\nmodel:\ncode: ~\ndocs:\n")
    assert (recipe.wants, recipe.overrides, recipe.notes) == ((), {}, ())


def test_the_model_speaks_where_the_package_is_silent() -> None:
    recipe = parse_kitfile("model: {name: inner, path: a.gguf, version: v2, license: MIT}")
    assert recipe.overrides == {"name": "inner", "version": "v2", "licenses": ("MIT",)}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model: {path: ghcr.io/org/base:v1}", "another ModelKit"),
        ("model: {path: localhost:5000/base:v1}", "another ModelKit"),
        (
            f"model: {{parts: [{{path: 'jozu.ml/a/b@sha256:{'0' * 64}'}}]}}",
            r"model.parts\[0\].path is another ModelKit",
        ),
        ("prompts: [{path: p.txt}]", "cannot hold prompts"),
        ("mcpServers: [{name: x}]", "cannot hold mcpServers"),
    ],
)
def test_refuses_what_a_modelpack_cannot_hold(text: str, reason: str) -> None:
    with pytest.raises(UnsupportedFormat, match=reason) as caught:
        parse_kitfile(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("", "", "a mapping is required"),
        ("- a", "", "a mapping is required"),
        ("models: {}", "models", "is not a field"),
        ("model: {paths: x}", "model.paths", "is not a field"),
        ("code: [{path: a, kind: b}]", "code[0].kind", "is not a field"),
        ("code: [a]", "code[0]", "a mapping is required"),
        ("code: {path: a}", "code", "a list is required"),
        ("code: text", "code", "a list is required"),
        ("package: [x]", "package", "a mapping is required"),
        ("package: {name: [x]}", "package.name", "text is required"),
        ("model: {path: /etc}", "model.path", "leads out"),
        ("model: {path: ../x}", "model.path", "leads out"),
        ("model: {path: a}\nmodel: {path: b}", "line 2", "a key stands twice"),
        ("? [a]\n: b", "line 1", "is not text"),
        ("a: &x b\nc: *x", "line 2", "aliases are not allowed"),
        ("a: b\n---\na: b", "", "more than one document"),
        ("[" * 20, "", "nested too deeply"),
        ("a: [b", "line 1", "not YAML"),
        ("a: b: c", "line 1", "not YAML"),
        ("a: \x01", "", "not YAML"),
        ("!!python/object/apply:os.system [true]", "line 1", "tags are not allowed"),
    ],
)
def test_refuses(text: str, path: str, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason) as caught:
        parse_kitfile(text)
    assert (caught.value.document, caught.value.path) == ("Kitfile", path)


def test_an_alias_bomb_is_refused_at_once() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
    )
    with pytest.raises(DocumentError, match="aliases"):
        parse_kitfile(bomb)


def test_bounds_the_number_of_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kitfile, "MAX_WANTS", 1)
    with pytest.raises(DocumentError, match="2 paths"):
        parse_kitfile("docs: [{path: a}, {path: b}]")


def test_reads_a_file(tmp_path: Path) -> None:
    (tmp_path / "Kitfile").write_text(FULL)
    assert read_kitfile(tmp_path / "Kitfile") == parse_kitfile(FULL)


@settings(deadline=None, max_examples=100)
@given(st.text(st.sampled_from("abc:-[]{}&*!|>'\"%@` \n\t#?,") | st.characters()))
def test_anything_is_read_or_refused(text: str) -> None:
    with suppress(ModelPackError):
        parse_kitfile(text)
