from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import modelpack
from modelpack import Access, HttpOptions, PrivateKey, SignedBy, staging
from modelpack.errors import InputError, InvalidReference, ModelPackError, NoSignature, PolicyViolation, Unavailable
from modelpack.oci import Digest
from modelpack.stage import Change, Follower, Staged
from modelpack.staging import completed, stage, standing
from modelpack.trusting import verify_at
from tests.real.registries import Registry

ACCESS = Access(HttpOptions(plain_http=True))
ONE, TWO = Digest.of(b"1"), Digest.of(b"2")


def staged(digest: Digest, *, hit: bool = True, swapped: bool = False) -> Staged:
    return Staged(Path("current"), Path("s"), digest, hit, 1, 1, 0, (), swapped)


def follower(*script: Staged | ModelPackError, interval: float = 60.0, serving: Digest | None = ONE) -> Follower:
    steps = iter(script)

    def look(_: str) -> Staged:
        step = next(steps)
        if isinstance(step, ModelPackError):
            raise step
        return step

    return Follower(
        lambda: "r", look, interval=interval, serving=serving, clock=lambda: 0.0, vary=lambda low, high: 1.0
    )


def test_only_changes_are_news() -> None:
    looks = follower(
        staged(ONE),
        staged(TWO, hit=False, swapped=True),
        staged(TWO),
        staged(TWO, hit=False),
        staged(ONE, swapped=True),
    )
    seen = [looks.look() for _ in range(5)]
    assert [look.change for look in seen] == [
        Change.UNCHANGED,
        Change.UPDATED,
        Change.UNCHANGED,
        Change.REPAIRED,
        Change.UPDATED,
    ]
    assert [look.news for look in seen] == [False, True, False, True, True]
    assert [look.before for look in seen] == [ONE, ONE, TWO, TWO, TWO]
    assert looks.serving == ONE
    assert (looks.counts.looks, looks.counts.updates, looks.counts.refusals, looks.counts.failures) == (5, 2, 0, 0)


def test_what_is_refused_changes_nothing_and_is_said_once() -> None:
    looks = follower(
        NoSignature("x"), NoSignature("x"), PolicyViolation("y"), Unavailable("z"), staged(ONE), staged(ONE)
    )
    seen = [looks.look() for _ in range(6)]
    assert [look.change for look in seen] == ["refused", "refused", "refused", "failed", "unchanged", "unchanged"]
    assert [look.news for look in seen] == [True, False, True, True, True, False]
    assert {look.before for look in seen} == {ONE}
    assert (looks.counts.refusals, looks.counts.failures, looks.counts.updates) == (3, 1, 0)
    assert isinstance(seen[3].error, Unavailable)


def test_after_failures_it_waits_longer_and_after_success_as_before() -> None:
    looks = follower(*[Unavailable("z")] * 6, staged(ONE), Unavailable("z"))
    assert [looks.look().delay for _ in range(8)] == [60, 120, 240, 480, 900, 900, 60, 60]
    rare = follower(*[Unavailable("z")] * 3, interval=3600)
    assert [rare.look().delay for _ in range(3)] == [3600, 3600, 3600]
    often = follower(*[Unavailable("z")] * 2000, interval=0.001)
    assert max(often.look().delay for _ in range(2000)) == 900


def test_waits_vary_from_node_to_node() -> None:
    looks = Follower(lambda: "r", lambda _: staged(ONE), interval=100)
    waits = {looks.wait() for _ in range(50)}
    assert len(waits) > 10
    assert all(90 <= wait <= 110 for wait in waits)


def test_what_was_found_out_just_now_is_not_asked_again() -> None:
    looks = follower()
    assert looks.look(NoSignature("x")).change is Change.REFUSED
    assert looks.counts.refusals == 1


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (f"{ONE}\n", f"registry.example/ml/m@{ONE}"),
        ("v2\n", "registry.example/ml/m:v2"),
        (f"registry.example/ml/m:v3@{ONE}", f"registry.example/ml/m:v3@{ONE}"),
    ],
)
def test_a_file_says_the_version(text: str, whole: str, tmp_path: Path) -> None:
    file = tmp_path / "version"
    file.write_text(text)
    assert completed("registry.example/ml/m:v1", file) == whole


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("registry.example/ml/other:v1", "no version of registry.example/ml/m"),
        ("other.example/ml/m:v1", "no version"),
        ("oci:folder:v1", "no version"),
        ("v1\nv2", "not a"),
        ("../../x", "not a"),
        ("sha256:abc", "sha256"),
        ("v" * 3000, "longer than"),
        ("\udcff", "not a"),
    ],
)
def test_a_file_cannot_name_another_model(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "version"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=says):
        completed("registry.example/ml/m:v1", file)


def test_a_layout_has_versions_too(tmp_path: Path) -> None:
    file = tmp_path / "version"
    file.write_text("v2")
    assert completed("oci:models:v1", file) == "oci:models:v2"
    file.write_text(str(ONE))
    assert completed("oci:models:v1", file) == f"oci:models@{ONE}"
    with pytest.raises(InvalidReference):
        completed("https://registry.example/x", file)


@pytest.fixture(scope="module", name="signer")
def _signer() -> PrivateKey:
    return PrivateKey.generate("ecdsa-p256")


@pytest.fixture(name="publish")
def _publish(own_registry: Registry, tmp_path: Path) -> Callable[..., str]:
    def publish(signer: PrivateKey | None, text: str) -> str:
        folder = tmp_path / "m"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(text)
        reference = f"{own_registry.repository()}:v1"
        modelpack.push(modelpack.pack(folder, name="m"), reference, signer=signer, access=ACCESS)
        return reference

    return publish


def test_what_stands_is_verified_under_todays_policy_without_a_registry(
    signer: PrivateKey, publish: Callable[..., str], tmp_path: Path
) -> None:
    reference, policy, cache = publish(signer, "{}"), SignedBy(signer.public_key), tmp_path / "cache"
    assert standing(reference, cache, policy=policy) is None
    digest = stage(reference, cache, policy=policy, access=ACCESS).digest
    found = standing(reference, cache, policy=policy)
    assert found is not None
    assert (found.digest, found.hit) == (digest, True)
    other = SignedBy(PrivateKey.generate("ecdsa-p256").public_key)
    assert standing(reference, cache, policy=other) is None
    assert standing("registry.example/other/m:v1", cache, policy=policy) is None
    assert standing(reference, cache, policy=policy, include=("*.bin",)) is None
    (cache / "current" / "config.json").chmod(0o644)
    (cache / "current" / "config.json").write_text("[]")
    assert standing(reference, cache, policy=policy) is None


def test_a_tag_that_moves_after_the_verification_changes_nothing(
    signer: PrivateKey, publish: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was verified is what is fetched: the tag is not asked a second time."""
    reference, real = publish(signer, '{"a": 1}'), verify_at

    def verify_and_move(*arguments: Any) -> Any:
        verified = real(*arguments)
        publish(None, '{"evil": 1}')
        return verified

    monkeypatch.setattr(staging, "verify_at", verify_and_move)
    stage(reference, tmp_path / "cache", policy=SignedBy(signer.public_key), access=ACCESS)
    assert (tmp_path / "cache" / "current" / "config.json").read_text() == '{"a": 1}'
