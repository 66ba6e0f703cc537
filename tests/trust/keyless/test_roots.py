"""Trusted roots: terms of office, broken ones, the public one."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from modelpack.errors import BadSignature, CannotVerify, DocumentError
from modelpack.trust.keyless import KeylessIdentity, roots
from modelpack.trust.seal import Circumstances, Voucher
from tests.trust.keyless.authority import ALICE, ISSUER, SIGNED, Instance, seal_of
from tests.trust.keyless.rekor import Document

pytest.importorskip("sigstore", reason="needs sigstore (pip install 'modelpack-toolkit[keyless]')")

NOW = Circumstances(datetime(2026, 11, 24, tzinfo=UTC))


def check(instance: Instance, root: Document) -> Voucher:
    return KeylessIdentity("alice", ALICE, ISSUER, json.dumps(root).encode()).check(seal_of(instance.sign()), NOW)


def period(root: Document, party: str) -> Document:
    holder = root[party][0]
    found: Document = holder["publicKey"]["validFor"] if party == "tlogs" else holder["validFor"]
    return found


@pytest.mark.parametrize(
    ("party", "what"), [("tlogs", "transparency log"), ("certificateAuthorities", "certificate authority")]
)
def test_terms_of_office(party: str, what: str, instance: Instance) -> None:
    root = instance.root()
    for end in ("2025-06-01T12:00:30Z", "2025-06-01T14:00:30.000+02:00", "2027-01-01T00:00:00.123456789Z"):
        period(root, party)["end"] = end
        assert check(instance, root).time == SIGNED
    period(root, party)["end"] = "2025-06-01T12:00:29Z"
    with pytest.raises(BadSignature, match=f"no {what} of the trusted root was in office"):
        check(instance, root)
    period(root, party).update(start="2025-06-01T12:00:31Z", end="2027-01-01T00:00:00Z")
    with pytest.raises(BadSignature, match="was in office"):
        check(instance, root)


def test_who_is_out_of_office_leaves_the_others_alone(instance: Instance) -> None:
    root, other = instance.root(), Instance.make().root()
    period(other, "tlogs")["end"] = period(other, "certificateAuthorities")["end"] = "2025-01-01T00:00:00Z"
    for party in ("tlogs", "certificateAuthorities", "ctlogs"):
        root[party] = other[party] + root[party]
    assert check(instance, root).time == SIGNED


@pytest.mark.parametrize("text", ["yesterday", "2025-06-01T12:00:00", "2025-13-01T00:00:00Z", 5])
def test_dates_that_are_none(text: object, instance: Instance) -> None:
    root = instance.root()
    period(root, "tlogs")["end"] = text
    with pytest.raises(CannotVerify, match="the trusted root is not usable"):
        check(instance, root)


def test_terms_without_a_start(instance: Instance) -> None:
    root = instance.root()
    period(root, "tlogs").clear()
    with pytest.raises(CannotVerify, match="the trusted root is not usable"):
        check(instance, root)


@pytest.mark.parametrize("party", ["tlogs", "certificateAuthorities", "ctlogs"])
def test_roots_without_a_party(party: str, instance: Instance) -> None:
    root = instance.root()
    root[party] = []
    with pytest.raises(BadSignature):
        check(instance, root)
    del root[party]
    with pytest.raises((BadSignature, CannotVerify)):
        check(instance, root)


@pytest.mark.parametrize(
    "certificates",
    [[], [{"rawBytes": "AAAA"}], [{"rawBytes": 5}], [{"raw": "AAAA"}], "x", [{"rawBytes": "AAAA"}] * 200],
)
def test_authorities_that_are_none(certificates: object, instance: Instance) -> None:
    root = instance.root()
    root["certificateAuthorities"][0]["certChain"]["certificates"] = certificates
    with pytest.raises(CannotVerify, match="the trusted root is not usable"):
        check(instance, root)


def test_too_many_parties(instance: Instance) -> None:
    root = instance.root()
    root["tlogs"] *= 101
    with pytest.raises(CannotVerify, match="101 entries"):
        check(instance, root)


def test_a_key_that_the_package_does_not_know(instance: Instance, capfd: pytest.CaptureFixture[str]) -> None:
    root = instance.root()
    root["tlogs"].insert(0, json.loads(json.dumps(root["tlogs"][0])))
    root["tlogs"][0]["publicKey"]["keyDetails"] = "ML_DSA_65"
    assert check(instance, root).time == SIGNED
    assert capfd.readouterr() == ("", "")


def test_the_public_root(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the package, can be read, and is what is asked if nobody names another."""
    now = datetime.now(UTC)
    config = roots.at(roots.public_root(), [now], [now])
    assert len(config.trusted_root.get_fulcio_certs()) >= 2
    with pytest.raises(BadSignature, match="chain"):
        KeylessIdentity("alice", ALICE, ISSUER).check(seal_of(instance.sign()), NOW)
    monkeypatch.setattr(roots, "_embedded", lambda name: {"trusted_root.json": instance.trusted_root()}[name])
    assert KeylessIdentity("alice", ALICE, ISSUER).check(seal_of(instance.sign()), NOW).time == SIGNED


def test_the_public_services() -> None:
    config = roots.public_config()
    assert config.signing_config.get_fulcio().url == "https://fulcio.sigstore.dev"


@pytest.mark.parametrize("config", [b"", b"{}", b'{"mediaType":"x"}', b"[" * 99, b"\xff"])
def test_configs_that_are_none(config: bytes) -> None:
    with pytest.raises(DocumentError, match="trust config"):
        roots.read_config(config)
