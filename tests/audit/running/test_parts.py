"""The stream of work, lists of targets, and whether an audit trusts the same people."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelpack import AllOf, AnyOf, SignedBy
from modelpack.audit.running.crew import stream
from modelpack.audit.running.survey import Apis
from modelpack.audit.running.targets import read_targets
from modelpack.audit.running.trusted import trust_fingerprint
from modelpack.errors import InputError, Unavailable
from modelpack.trust import Circumstances, KeyIdentity, Seal, TrustStore, Voucher
from tests.audit.running.making import NOW, key


def test_results_come_in_order_and_items_are_taken_as_there_is_room() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    def slow(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return -number

    results = stream(slow, items(), 4, window=8)
    assert next(results) == 0
    assert len(taken) <= 9
    assert list(results) == [-number for number in range(1, 100)]


def test_an_error_ends_the_stream_in_its_turn() -> None:
    def fails(number: int) -> int:
        if number == 3:
            raise KeyError(number)
        return number

    results = stream(fails, range(10), 2)
    assert [next(results), next(results), next(results)] == [0, 1, 2]
    with pytest.raises(KeyError):
        next(results)
    assert list(stream(fails, [], 2)) == []


def test_who_stops_reading_stops_the_work() -> None:
    begun = []
    gate = threading.Event()

    def wait(number: int) -> int:
        begun.append(number)
        if number:
            gate.wait(5)
        return number

    results = stream(wait, range(100), 2, window=50)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]  # a generator has it
    gate.set()
    time.sleep(0.05)
    assert len(begun) <= 4


def test_a_list_of_targets(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("# ours\n\n registry.example/ml \noci:./x\n")
    assert read_targets(path) == ["registry.example/ml", "oci:./x"]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_targets(path)
    with pytest.raises(InputError):
        read_targets(tmp_path / "none")


def test_who_is_asked_again_after_an_error() -> None:
    apis, asked = Apis(), []

    def ask() -> bool:
        asked.append(1)
        if len(asked) == 1:
            raise Unavailable("not now")
        return True

    with pytest.raises(Unavailable):
        apis.has("a", ask)
    assert [apis.has("a", ask), apis.has("a", ask), len(asked)] == [True, True, 2]


@dataclass(frozen=True)
class Somebody:
    """An identity of a user's own, with something in it that cannot be compared."""

    what: object

    @property
    def name(self) -> str:
        return "somebody"

    def check(self, seal: Seal, circumstances: Circumstances) -> Voucher:
        raise NotImplementedError


def test_the_same_trust_and_another() -> None:
    one, two = KeyIdentity(key().public_key, "one"), KeyIdentity(key("two").public_key, "two")
    policies = [
        None,
        SignedBy(one),
        SignedBy(two),
        SignedBy(one, two),
        SignedBy(KeyIdentity(key().public_key, "one", until=NOW)),
        SignedBy(one, threshold=1, after=NOW),
        AllOf(SignedBy(one), SignedBy(two)),
        AnyOf(SignedBy(one), SignedBy(two)),
    ]
    first = [trust_fingerprint(policy) for policy in policies]
    assert len(set(first)) == len(policies)
    assert [trust_fingerprint(policy) for policy in policies] == first
    assert trust_fingerprint(Somebody({"a": frozenset({1.5, b"x"})})) == trust_fingerprint(
        Somebody({"a": frozenset({1.5, b"x"})})
    )
    for odd in (Somebody(object()), Somebody([[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]), TrustStore(Path("/x"))):
        assert trust_fingerprint(odd) != trust_fingerprint(odd)
