"""Whatever the bytes are: no error but our own, no hang, and nothing missed that Python's own reader would import."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError
from modelpack.scan import CODES, Limits, Report, scan_files
from modelpack.scan.looking import Budget
from modelpack.scan.pickles import ALLOWED
from modelpack.scan.sources import CODECS, Data, Inflated
from tests.scan import benign, hostile_files, hostile_pickles
from tests.scan.build import EVIL, codes, scan
from tests.scan.test_hostile import wanted_by_python

NAMES = [
    "m.pt",
    "m.pkl",
    "m.npy",
    "m.safetensors",
    "m.gguf",
    "m.onnx",
    "m.keras",
    "m.h5",
    "m.pb",
    "config.json",
    "m.jinja",
    "m",
]
SMALL = Limits(depth=3, members=200, inflated=1 << 20, searched=64 << 20, opcodes=100_000, findings=20)
PICKLES = [data for data, _ in hostile_pickles.HIDDEN.values()] + list(benign.PICKLES.values())
SAMPLES = [
    (file, data)
    for part in (hostile_files.CONTAINERS, hostile_files.POLYGLOTS, hostile_files.DOCUMENTS)
    for file, data, _ in part.values()
    if len(data) < 100_000
]
SAMPLES += [(file, data) for file, data in benign.FILES.items() if len(data) < 100_000]
OPCODES = (
    b"().012BCFGIJKLMNPQRSTUVX]abcdeghijlopqrstu}\x80\x81\x82\x85\x86\x87\x88\x8c\x8f\x90\x91\x92\x93\x94\x95\x97\x98"
)
PIECES = st.sampled_from(
    [
        *(bytes([byte]) for byte in OPCODES),
        b"\x8c\x02os",
        b"\x8c\x06system",
        b"cos\nsystem\n",
        b"q\x00",
        b"h\x00",
        b"h\x01",
        b"\x8c\x0bcollections",
        b"\x8c\x0bOrderedDict",
        b"K\x01",
        b"Vos\n",
        b"S'os'\n",
        b"p0\n",
        b"g0\n",
        b"\x80\x04",
        b"\x8c\x08builtins",
        b"\x8c\x10print.__self__.x",
        b".",
    ]
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.binary(max_size=400), st.sampled_from(NAMES))
def test_any_bytes(data: bytes, name: str) -> None:
    assert all(found.code in CODES for found in scan(data, name, SMALL))


@settings(deadline=None, max_examples=600, derandomize=True)
@given(st.data())
def test_damaged_samples(data: st.DataObject) -> None:
    name, sample = data.draw(st.sampled_from(SAMPLES))
    changed = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        if changed:
            place = data.draw(st.integers(0, len(changed) - 1))
            changed[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(changed)))
    whole = bytes(changed[: cut or None])
    report = scan_files([(name, Data(whole))], limits=SMALL)
    assert report.to_bytes(scanner="s", version="1") == scan_files([(name, Data(whole))], limits=SMALL).to_bytes(
        scanner="s", version="1"
    )


@settings(deadline=None, max_examples=600, derandomize=True)
@given(st.lists(PIECES, max_size=24))
def test_nothing_that_python_imports_is_missed(pieces: list[bytes]) -> None:
    check_against_python(b"\x80\x04" + b"".join(pieces))


@settings(deadline=None, max_examples=400, derandomize=True)
@given(st.sampled_from([data for data in PICKLES if len(data) < 3000]), st.data())
def test_nothing_that_python_imports_is_missed_in_damaged_pickles(sample: bytes, data: st.DataObject) -> None:
    changed = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    check_against_python(bytes(changed))


def check_against_python(data: bytes) -> None:
    """Each import that Python's reader would make is allowed, or was found."""
    wanted = [pair for pair in wanted_by_python(data) if pair not in ALLOWED]
    if b"NumpyArrayWrapper" in data:  # numbers that look like names are told only if they could be some
        wanted = [pair for pair in wanted if re.fullmatch(r"[\w.]+", ".".join(pair), re.ASCII)]
    found = scan(data, "m.pkl")
    assert not wanted or found
    if any(item.code == "SCAN-PICKLE-NAME" for item in found):
        return  # a name with escapes, for one, is found but not told
    messages = " ".join(item.message for item in found)
    assert all(f"imports {module}.{name}"[:100] in messages for module, name in wanted if module != "extension")


@pytest.mark.parametrize("codec", CODECS)
@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.binary(max_size=200))
def test_decoders_of_anything(codec: str, data: bytes) -> None:
    inflated = Inflated(Data(data), codec, Budget.of(SMALL))
    with contextlib.suppress(DocumentError):
        assert len(inflated.read_at(0, 100)) <= inflated.size


@pytest.mark.parametrize("kind", ["ones", "marks", "nested", "lists", "lines", "frames"])
def test_long_pickles_take_linear_time(kind: str) -> None:
    body = {
        "ones": b"K\x010" * 300_000,
        "marks": b"(" * 600_000 + b"1" * 600_000,
        "nested": b"]" * 300_000 + b"a" * 299_999,
        "lists": b"](" + b"K\x01" * 300_000 + b"e0",
        "lines": b"Vx\n0" * 200_000,
        "frames": (b"\x95" + bytes(8)) * 100_000,
    }[kind]
    begin = time.perf_counter()
    found = codes(b"\x80\x04" + body + EVIL[2:], "m.pkl")
    assert "SCAN-PICKLE-SYSTEM" in found
    assert time.perf_counter() - begin < 20  # a second, unless it grows with the square


def test_a_report_is_the_same_whatever_the_order() -> None:
    files = [(f"{number}-{name}", Data(data)) for number, (name, data) in enumerate(SAMPLES[:40])]
    here, there = scan_files(files), scan_files(files[::-1])
    assert isinstance(here, Report)
    assert here == there
