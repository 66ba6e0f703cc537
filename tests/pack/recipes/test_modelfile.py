from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError, InputError
from modelpack.oci import Kind
from modelpack.pack.recipes import Want, parse_modelfile, read_modelfile


def test_reads_all_commands() -> None:
    recipe = parse_modelfile(
        """# comment
        NAME demo

        arch transformer
        Family qwen3
        FORMAT safetensors
        PARAMSIZE 8b
        PRECISION bfloat16
        QUANTIZATION awq
        CONFIG config.json
        MODEL *.safetensors
        CODE src
        DATASET data/train.jsonl
        DOC README.md
        """
    )
    assert recipe.overrides == {
        "name": "demo",
        "architecture": "transformer",
        "family": "qwen3",
        "format": "safetensors",
        "param_size": "8b",
        "precision": "bfloat16",
        "quantization": "awq",
    }
    assert recipe.wants == (
        Want("config.json", Kind.CONFIG, "Modelfile line 10"),
        Want("*.safetensors", Kind.WEIGHT, "Modelfile line 11", pattern=True),
        Want("src", Kind.CODE, "Modelfile line 12"),
        Want("data/train.jsonl", Kind.DATASET, "Modelfile line 13"),
        Want("README.md", Kind.DOC, "Modelfile line 14"),
    )


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("MODEL   a.bin  ", "a.bin"),
        ("MODEL a.bin\r", "a.bin"),
        ('MODEL "a b.bin"', "a b.bin"),
        ('MODEL "a"b', "ab"),
        (r"MODEL a\ b.bin", "a b.bin"),
        (r"MODEL a\\b", "a\\b"),
        (r'MODEL "say \"hi\""', 'say "hi"'),
        (r"MODEL \"a", '"a'),
        ("MODEL 'a'", "'a'"),
        ('MODEL "#a"', "#a"),
        ("MODEL ./a//b/", "a/b"),
        ("MODEL  \ta", "a"),
    ],
)
def test_arguments(line: str, path: str) -> None:
    assert [want.path for want in parse_modelfile(line).wants] == [path]


def test_the_folder_itself() -> None:
    assert parse_modelfile("MODEL .").wants[0].path == ""


def test_repeated_files_count_once_and_in_order() -> None:
    recipe = parse_modelfile("MODEL b\nMODEL a\nMODEL b\nCODE b\n")
    assert [(want.path, want.kind) for want in recipe.wants] == [
        ("b", Kind.WEIGHT),
        ("a", Kind.WEIGHT),
        ("b", Kind.CODE),
    ]


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("MODEL a\nFROM x", "line 2", "'FROM' is not a command"),
        ("MODEL\ta", "line 1", "is not a command"),
        ("MODELS a", "line 1", "is not a command"),
        ("\n\nMODEL", "line 3", "exactly one argument"),
        ("MODEL a b", "line 1", "exactly one argument"),
        ("MODEL a # comment", "line 1", "exactly one argument"),
        ('MODEL "a', "line 1", "exactly one argument"),
        ("MODEL a\\", "line 1", "exactly one argument"),
        ('MODEL ""', "line 1", "is empty"),
        ("NAME a\nname b", "line 2", "a second NAME"),
        ("MODEL /etc/passwd", "line 1", "leads out"),
        ("MODEL a/../../b", "line 1", "leads out"),
        ("MODEL a\0b", "line 1", "leads out"),
        ("MODEL " + "a/" * 65, "line 1", "more than 64 names"),
    ],
)
def test_refuses(text: str, place: str, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason) as caught:
        parse_modelfile(text)
    assert (caught.value.document, caught.value.path) == ("Modelfile", place)


def test_bounds_the_number_of_files() -> None:
    with pytest.raises(DocumentError, match="10001 files"):
        parse_modelfile("\n".join(f"MODEL {number}" for number in range(10_001)))


def test_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "Modelfile"
    path.write_bytes(b"\xef\xbb\xbfNAME x\n")
    assert read_modelfile(path).overrides == {"name": "x"}
    with pytest.raises(InputError, match="No such file"):
        read_modelfile(tmp_path / "missing")
    path.write_bytes(b"NAME \xff")
    with pytest.raises(DocumentError, match="not UTF-8 at byte 5"):
        read_modelfile(path)
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(DocumentError, match="more than 1048576 bytes"):
        read_modelfile(path)


@settings(deadline=None, max_examples=100)
@given(st.text(st.sampled_from('abc \\"#*[]{}') | st.characters(exclude_characters="\n"), min_size=1))
def test_quoting_protects_everything(name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_modelfile(f'NAME "{quoted}"').overrides == {"name": name}


@settings(deadline=None, max_examples=100)
@given(st.text())
def test_anything_is_read_or_refused(text: str) -> None:
    with suppress(DocumentError):
        parse_modelfile("MODEL " + text)
