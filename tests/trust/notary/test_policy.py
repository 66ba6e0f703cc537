"""Trust policies and trust stores, as notation reads them."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError, InputError, UntrustedIdentity
from modelpack.trust.notary import Action, Check, TrustPolicy, TrustStore
from modelpack.trust.notary.policy import LEVELS, MAX_POLICY
from modelpack.trust.notary.truststore import MAX_FILES
from tests.trust.notary.making import ISSUING, ROOT, SIGNER
from tests.trust.notary.notation import policy
from tests.trust.x509.making import root

IDENTITY = "x509.subject: C=US, ST=WA, O=acme, CN=signer"


def parsed(*documents: dict[str, Any], version: str = "1.0") -> TrustPolicy:
    statements = [statement for document in documents for statement in document["trustPolicies"]]
    return TrustPolicy.parse(json.dumps({"version": version, "trustPolicies": statements}).encode())


def test_a_policy() -> None:
    document = policy(
        scope="registry.example.com:5000/models/llm",
        override={"revocation": "skip", "expiry": "log"},
        timestamp="afterCertExpiry",
        trustStores=["ca:acme", "tsa:acme-tsa", "signingAuthority:x_y.z"],
    )
    (found,) = parsed(document).statements
    assert (found.name, found.scopes, found.level) == ("models", ("registry.example.com:5000/models/llm",), "strict")
    assert found.actions == {
        Check.INTEGRITY: Action.ENFORCE,
        Check.AUTHENTICITY: Action.ENFORCE,
        Check.TIMESTAMP: Action.ENFORCE,
        Check.EXPIRY: Action.LOG,
        Check.REVOCATION: Action.SKIP,
    }
    assert found.stores == (("ca", "acme"), ("tsa", "acme-tsa"), ("signingAuthority", "x_y.z"))
    assert found.late_timestamps
    assert found.subjects is not None
    assert [str(subject) for subject in found.subjects] == ["C=US, ST=WA, O=acme, CN=signer"]
    (usual,) = parsed(policy(identity="*")).statements
    assert usual.subjects is None
    assert not usual.late_timestamps


def test_levels() -> None:
    logged = {level: {check for check in Check if actions[check] is Action.LOG} for level, actions in LEVELS.items()}
    assert logged["strict"] == set()
    assert logged["permissive"] == {Check.TIMESTAMP, Check.EXPIRY, Check.REVOCATION}
    assert logged["audit"] == set(Check) - {Check.INTEGRITY}
    skip = policy(scope="r.example/x", level="skip", trustStores=[], trustedIdentities=[])
    (found,) = parsed(skip).statements
    assert (found.stores, found.subjects, set(found.actions.values())) == ((), (), {Action.SKIP})


def test_the_statement_that_names_a_repository_goes_before_the_one_for_all() -> None:
    both = parsed(policy(name="all"), policy(name="one", scope="r.example/ml/tiny"))
    assert both.applying_to("r.example/ml/tiny").name == "one"
    assert both.applying_to("r.example/ml/tiny2").name == "all"
    assert both.applying_to("").name == "all"
    only = parsed(policy(scope="r.example/ml/tiny"))
    for other in ("r.example/ml", "r.example/ml/tiny/x", "R.example/ml/tiny", "", "*x"):
        with pytest.raises(UntrustedIdentity, match="no trust policy applies"):
            only.applying_to(other)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (policy(name=""), "name: may not be empty"),
        (policy(name=None), "a string is required"),
        (policy(level="lax"), "one of strict, permissive, audit, skip"),
        (policy(signatureVerification={}), "level: a string is required"),
        (policy(timestamp="never"), "always or afterCertExpiry"),
        (policy(extra=1), "extra: not known here"),
        (policy(override={"integrity": "log"}), "'integrity' cannot be overridden"),
        (policy(override={"expire": "log"}), "'expire' cannot be overridden"),
        (policy(override={"expiry": "skip"}), "expiry cannot be 'skip'"),
        (policy(override={"expiry": "ignore"}), "expiry cannot be 'ignore'"),
        (policy(override={"revocation": 1}), "a string is required"),
        (policy(scope="*.example/x"), "no other wildcards"),
        (policy(scope="r.example/*"), "no other wildcards"),
        (policy(scope="tiny"), "is not registry/repository"),
        (policy(scope="r.example/x:v1"), "is not registry/repository"),
        (policy(scope=""), "is not registry/repository"),
        (policy(registryScopes=[]), "0 entries"),
        (policy(registryScopes=["*", "r.example/x"]), r"'\*' stands alone"),
        (policy(trustStores=[]), "0 entries"),
        (policy(trustStores=["acme"]), "is not ca:NAME"),
        (policy(trustStores=["ca:../acme"]), "is not ca:NAME"),
        (policy(trustStores=["ca:.."]), "is not ca:NAME"),
        (policy(trustStores=["x:acme"]), "is not ca:NAME"),
        (policy(trustedIdentities=[]), "0 entries"),
        (policy(trustedIdentities=["*"] * 201), "201 entries"),
        (policy(trustedIdentities=["*", IDENTITY]), r"'\*' stands alone"),
        (policy(identity="x509.subject: C=US, O=acme"), "lacks ST"),
        (policy(identity="x509.subject: nonsense"), "without a known type"),
        (policy(identity="C=US, ST=WA, O=acme"), "does not begin with x509.subject:"),
        (policy(trustedIdentities=[IDENTITY, "x509.subject: O=acme, S=WA, C=US"]), "overlaps with another"),
        (policy(trustedIdentities=[IDENTITY, IDENTITY]), "overlaps with another"),
        (policy(level="skip", trustStores=[], trustedIdentities=[]), "skipped for everything"),
        (policy(level="skip", scope="r.example/x"), "trusts nobody"),
        (
            policy(level="skip", scope="r.example/x", trustStores=[], trustedIdentities=[], override={"expiry": "log"}),
            "nothing is left to override",
        ),
    ],
)
def test_policies_that_notation_refuses_too_or_that_are_misspelt(document: dict[str, Any], message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        parsed(document)
    assert caught.value.document == "trust policy"


def test_documents_that_are_none() -> None:
    statement = policy()["trustPolicies"][0]
    for raw, message in (
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "version: a string is required"),
        (json.dumps(policy() | {"version": "2.0"}).encode(), "1.0 is required"),
        (json.dumps(policy() | {"trustpolicies": []}).encode(), "not known here"),
        (b'{"version":"1.0","version":"1.0"}', "stands twice"),
        (b'{"version":"1.0"}', "at least one is required"),
        (b" " * (MAX_POLICY + 1), "more than the"),
    ):
        with pytest.raises(DocumentError, match=message):
            TrustPolicy.parse(raw)
    for second, message in (
        ({**statement, "registryScopes": ["r.example/x"]}, "the name 'models' stands twice"),
        ({**statement, "name": "other"}, r"the scope '\*' stands twice"),
    ):
        with pytest.raises(DocumentError, match=message):
            parsed(policy(), {"trustPolicies": [second]})


@given(st.data())
@settings(deadline=None, max_examples=150, derandomize=True)
def test_any_flipped_byte_of_a_policy_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(json.dumps(policy(override={"revocation": "skip"})).encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(DocumentError):
        assert TrustPolicy.parse(bytes(raw)).statements


def store(tmp_path: Path, **files: bytes) -> Path:
    folder = tmp_path / "x509" / "ca" / "acme"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_a_trust_store(tmp_path: Path) -> None:
    other = root(number=9)
    store(tmp_path, a=ROOT.pem + ISSUING.pem, b=other.der)
    found = TrustStore(tmp_path).certificates("ca", "acme")
    assert found == (ROOT.certificate, ISSUING.certificate, other.certificate)


@pytest.mark.parametrize(("kind", "name"), [("ca", ".."), ("ca", "a/b"), ("ca", ""), ("x", "acme"), ("ca", "a\n")])
def test_names_that_lead_out_of_a_trust_store(tmp_path: Path, kind: str, name: str) -> None:
    with pytest.raises(InputError, match="is no trust store"):
        TrustStore(tmp_path).certificates(kind, name)


def test_what_a_trust_store_may_not_hold(tmp_path: Path) -> None:
    folder = store(tmp_path)
    trust = TrustStore(tmp_path)

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=message):
            trust.certificates("ca", "acme")

    refused("0 files are in")
    odd = folder / "odd"
    odd.write_bytes(SIGNER.pem)
    refused("neither an authority nor self-signed")
    odd.write_bytes(b"read me")
    refused("not a certificate")
    odd.write_bytes(b"0" * ((1 << 20) + 5))
    refused("too many for certificates")
    odd.unlink()
    odd.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(ROOT.pem)
    refused("is a symbolic link")
    odd.unlink()
    odd.mkdir()
    refused("not a regular file")
    odd.rmdir()
    os.mkfifo(odd)
    refused("not a regular file")
    odd.unlink()
    for number in range(MAX_FILES + 1):
        (folder / str(number)).write_bytes(ROOT.pem)
    refused("101 files")


def test_a_trust_store_that_is_no_folder(tmp_path: Path) -> None:
    trust = TrustStore(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        trust.certificates("ca", "acme")
    folder = store(tmp_path, a=ROOT.pem)
    (folder.parent / "link").symlink_to(folder)
    with pytest.raises(InputError, match="is not a folder"):
        trust.certificates("ca", "link")


def test_a_file_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = store(tmp_path, a=ROOT.pem)
    monkeypatch.setattr(Path, "iterdir", lambda self: iter([folder / "gone"]))
    with pytest.raises(InputError, match="cannot be read: No such file"):
        TrustStore(tmp_path).certificates("ca", "acme")
