"""Everything unsafe that we know how to make is found, with the code that it should have."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
from typing import Any

import pytest

from modelpack.scan import CODES, Limits, Report
from modelpack.scan.pickles import ALLOWED
from tests.scan import hostile_files, hostile_pickles
from tests.scan.build import EVIL, called, codes, named, scan, torch_zip, word, zipped
from tests.scan.hostile_files import CONTAINERS, DOCUMENTS, POLYGLOTS, UNSAFE_TEMPLATES, template
from tests.scan.hostile_pickles import ACTORS, DAMAGED, HIDDEN

FILES = {**CONTAINERS, **POLYGLOTS, **DOCUMENTS}


def test_the_corpus_is_large() -> None:
    assert len(HIDDEN) + len(DAMAGED) + len(FILES) + len(UNSAFE_TEMPLATES) > 180
    assert len(ACTORS) > 70


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("file", ["model.pkl", "notes"])
def test_pickles_that_hide(name: str, file: str) -> None:
    data, code = HIDDEN[name]
    if file == "model.pkl" or code != hostile_pickles.BROKEN:
        assert code in codes(data, file)


@pytest.mark.parametrize("actor", ACTORS)
def test_names_that_act(actor: str) -> None:
    module, _, name = actor.rpartition(".")
    for what in (named(module, name), word(module) + word(name) + b"\x93"):
        found = scan(b"\x80\x04" + called(what, word("id")))
        assert [(item.code, item.severity, actor in item.message) for item in found] == [
            ("SCAN-PICKLE-SYSTEM", "high", True)
        ]


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_pickles_are_not_clean(name: str) -> None:
    found = scan(DAMAGED[name], "model.pkl")
    assert [item.code for item in found] == ["SCAN-PICKLE-BROKEN"]
    assert Report.of((), found).verdict == "incomplete"


class _Harmless:
    """Stands for whatever a pickle imports."""

    def __new__(cls, *arguments: Any, **keywords: Any) -> Any:
        return object.__new__(cls)

    def __setstate__(self, state: Any) -> None: ...


class _WholeLines(io.BytesIO):
    """Refuses a last line without its end, as the reader in C does and Python's own does not."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n"):
            raise EOFError
        return line


class Recorder(pickle._Unpickler):
    """Reads as Python does, but imports nothing: it writes down what it was asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(_WholeLines(data))
        self.wanted: list[tuple[str, str]] = []

    def find_class(self, module: str, name: str) -> Any:
        self.wanted.append((module, name))
        return _Harmless

    def get_extension(self, code: int) -> None:
        self.wanted.append(("extension", str(code)))

    def persistent_load(self, pid: Any) -> Any:
        return pid


@pytest.mark.parametrize("name", [name for name, (_, code) in HIDDEN.items() if code == "SCAN-PICKLE-SYSTEM"])
def test_python_would_really_import_it(name: str) -> None:
    """The samples are no straw men: Python's own reader asks for what was found."""
    data, _ = HIDDEN[name]
    wanted = wanted_by_python(data)
    messages = " ".join(found.message for found in scan(data, "model.pkl"))
    assert all(
        f"{module}.{attribute}" in messages for module, attribute in wanted if (module, attribute) not in ALLOWED
    )


def wanted_by_python(data: bytes) -> list[tuple[str, str]]:
    reader = Recorder(data)
    with contextlib.suppress(Exception):  # what it asked for before it failed counts
        reader.load()
    return reader.wanted


@pytest.mark.parametrize("name", FILES)
def test_files_with_something_unsafe(name: str) -> None:
    file, data, code = FILES[name]
    assert code in codes(data, file)


@pytest.mark.parametrize("name", UNSAFE_TEMPLATES)
def test_templates_that_reach_for_python(name: str) -> None:
    text = UNSAFE_TEMPLATES[name]
    places = {
        found.place for found in scan(template(text), "tokenizer_config.json") if found.code == "SCAN-TEMPLATE-UNSAFE"
    }
    assert places == {"chat_template"}
    assert "SCAN-TEMPLATE-UNSAFE" in codes(text.encode(), "chat_template.jinja")


def test_every_code_is_met() -> None:
    """What no sample shows is either tested elsewhere by name or should not exist."""
    met = {code for _, code in HIDDEN.values()} | {code for _, _, code in FILES.values()}
    elsewhere = {"UNREADABLE", "SHARDS", "ODD", "ONNX-MISSING", "TEMPLATE-UNKNOWN", "TEMPLATE-BROKEN"}
    assert set(CODES) - met == {f"SCAN-{name}" for name in elsewhere}


def test_where_it_is() -> None:
    (found,) = scan(zipped({"inner.zip": torch_zip(EVIL)}), "models/outer.zip")
    assert (found.path, found.place) == ("models/outer.zip", "inner.zip!archive/data.pkl: byte 14")
    assert found.message == "imports os.system"


def test_a_flood_of_findings_is_cut() -> None:
    many = b"\x80\x02" + b"".join(named("os", f"f{number}") + b"0" for number in range(500)) + b"N."
    found = scan(many, limits=Limits(findings=20))
    assert len(found) == 21
    assert found[-1].code == "SCAN-LIMIT"


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(inflated=10), "bzip2"),
        (Limits(members=1), "torch"),
        (Limits(depth=0), "torch"),
        (Limits(searched=100), "HDF5 Lambda"),
    ],
)
def test_limits_are_kept_and_told(limits: Limits, name: str) -> None:
    file, data, _ = FILES[name]
    assert "SCAN-LIMIT" in codes(data, file, limits)


def test_a_pickle_without_end_is_given_up() -> None:
    assert codes(b"\x80\x02" + b"N0" * 50_000 + b"N.", limits=Limits(opcodes=10_000)) == {"SCAN-LIMIT"}


def test_templates_of_every_place() -> None:
    evil = "{{ x.__class__ }}"
    config = {"chat_template": [{"name": "default", "template": "{{ x }}"}, {"name": "tools", "template": evil}]}
    (found,) = scan(json.dumps(config).encode(), "tokenizer_config.json")
    assert found.place == "chat_template[1]"
    (found,) = scan(json.dumps({"chat_template": {"rag": evil}}).encode(), "chat_template.json")
    assert found.place == "chat_template.rag"
    assert scan(json.dumps(config).encode(), "other.json") == ()


def test_templates_that_cannot_be_judged() -> None:
    assert codes(template("{% if %}"), "tokenizer_config.json") == {"SCAN-TEMPLATE-BROKEN"}
    assert codes(template("{{ x|shout }}{{ x is loud }}{{ fly() }}"), "tokenizer_config.json") == {
        "SCAN-TEMPLATE-UNKNOWN"
    }
    assert codes(b"x" * 300_000, "a.jinja") == {"SCAN-TEMPLATE-SIZE"}
    assert codes(b"x" * 3_000_000, "a.jinja") == {"SCAN-TEMPLATE-SIZE", "SCAN-LIMIT"}
    assert codes(("{{" + "(" * 5000).encode(), "a.jinja") == {"SCAN-TEMPLATE-BROKEN"}


def test_constants_of_templates_are_not_computed() -> None:
    assert codes(b"{{ 'a' * 10 ** 12 }}{{ 'x'|center(10 ** 12) }}", "a.jinja") == set()


def test_without_jinja2_a_template_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    assert codes(b"{{ x }}", "a.jinja") == {"SCAN-UNCHECKED"}
    assert hostile_files.SYSTEM in codes(EVIL)
