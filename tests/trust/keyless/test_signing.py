"""Signing with real requests to a private Fulcio and Rekor, and what comes out before those who verify."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelpack.errors import AccessDenied, BadSignature, DocumentError, InputError, ModelPackError, Unavailable
from modelpack.trust.envelope import Bundle
from modelpack.trust.keyless import KeylessIdentity, roots, sign_keyless, signing
from modelpack.trust.seal import Circumstances, Voucher
from tests.trust.keyless.authority import ALICE, ISSUER, STATEMENT, Instance
from tests.trust.keyless.clock import Clock
from tests.trust.keyless.rekor import Document
from tests.trust.keyless.services import Services, token

pytest.importorskip("sigstore", reason="needs sigstore (pip install 'modelpack-toolkit[keyless]')")

FULCIO, REKOR = "/api/v2/signingCert", "/api/v1/log/entries"


@pytest.fixture
def services(instance: Instance) -> Iterator[Services]:
    with Services(instance) as running:
        yield running


def verified(raw: bytes, instance: Instance) -> Voucher:
    seal = Bundle.parse(raw).seal
    return KeylessIdentity("alice", ALICE, ISSUER, instance.trusted_root()).check(
        seal, Circumstances(datetime.now(UTC))
    )


def sign(services: Services, statement: bytes = STATEMENT) -> bytes:
    return sign_keyless(statement, token=token(), trust_config=services.trust_config())


def test_what_is_signed_verifies(services: Services, connections: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    raw = sign(services)
    assert Bundle.parse(raw).envelope.payload == STATEMENT
    voucher = verified(raw, services.instance)
    assert voucher.signer == f"{ALICE} ({ISSUER})"
    assert voucher.time is not None
    assert before <= voucher.time <= datetime.now(UTC)
    assert services.requests == [FULCIO, REKOR]
    assert len(connections) == 2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "statement",
    [
        b'{ "_type": "https://in-toto.io/Statement/v0.1",\n "subject": [], "predicate": {"z": 1.0, "a": "\\u00e4"} }',
        '{"a":"ä"}'.encode(),
        b"{}",
    ],
)
def test_the_bytes_are_signed_as_they_are(statement: bytes, services: Services) -> None:
    raw = sign(services, statement)
    assert Bundle.parse(raw).envelope.payload == statement
    verified(raw, services.instance)


def test_version_2_with_a_timestamp(instance: Instance, tmp_path: Path) -> None:
    clock = Clock.make(tmp_path)
    with Services(instance.timed(clock.chain), version=2, stamp=clock.stamp) as services:
        raw = sign(services)
        assert services.requests == [FULCIO, "/timestamp", "/api/v2/log/entries"]
        assert verified(raw, services.instance).time is not None


@pytest.mark.parametrize("answer", [(500, b""), (200, b"garbage")])
def test_version_2_without_its_timestamp(answer: tuple[int, bytes], instance: Instance, tmp_path: Path) -> None:
    clock = Clock.make(tmp_path)
    with Services(instance.timed(clock.chain), version=2, stamp=clock.stamp) as services:
        services.faults["/timestamp"] = answer
        with pytest.raises(Unavailable, match="makes no sense"):
            sign(services)


def bare(error: ModelPackError, secret: str) -> str:
    """What is said: one line, and no part of the token in anything that hangs on it."""
    shown: BaseException | None = error
    while shown is not None:
        text = f"{shown} {shown.args}"
        assert not any(part in text for part in secret.split("."))
        shown = shown.__cause__
    assert str(error).isprintable()
    return str(error)


def refusal(services: Services, secret: str | None = None, timeout: float = 60) -> ModelPackError:
    secret = token() if secret is None else secret
    with pytest.raises(ModelPackError) as caught:
        sign_keyless(STATEMENT, token=secret, trust_config=services.trust_config(), timeout=timeout)
    bare(caught.value, secret or "nothing")
    return caught.value


def test_a_token_that_fulcio_refuses(services: Services) -> None:
    error = refusal(services, token(key=b"another provider"))
    assert isinstance(error, AccessDenied)
    assert str(error) == "the certificate authority refuses the identity token (HTTP 401)"


@pytest.mark.parametrize(
    "secret",
    ["", "x", "a.b.c", token(expires=-100), token(audience="another"), "\n", "ey.ey.ey\x00", token(identity="") + "é"],
)
def test_tokens_that_are_none(secret: str, services: Services) -> None:
    with pytest.raises(InputError, match="not an identity token that can be used") as caught:
        sign_keyless(STATEMENT, token=secret, trust_config=services.trust_config())
    assert "audience sigstore" in caught.value.hint
    assert secret.strip() == "" or secret not in str(caught.value)
    assert services.requests == []


def test_another_audience(services: Services) -> None:
    secret = token(audience="acme")
    raw = sign_keyless(STATEMENT, token=secret, trust_config=services.trust_config(), audience="acme")
    verified(raw, services.instance)


@pytest.mark.parametrize(
    ("path", "status", "body", "kind", "said"),
    [
        (FULCIO, 400, b"{}", AccessDenied, r"HTTP 400"),
        (FULCIO, 500, b"{}", Unavailable, r"issues no certificate: HTTP 500"),
        (FULCIO, 201, b"", Unavailable, r"does not answer|makes no sense"),
        (FULCIO, 201, b"{}", Unavailable, r"missing certificate chain"),
        (FULCIO, 201, b"[]", Unavailable, r"makes no sense"),
        (FULCIO, 201, b'{"signedCertificateEmbeddedSct":{"chain":{"certificates":["a"]}}}', Unavailable, r"too short"),
        (
            FULCIO,
            201,
            b'{"signedCertificateEmbeddedSct":{"chain":{"certificates":["a","b"]}}}',
            Unavailable,
            r"no sense",
        ),
        (REKOR, 400, b'{"code":400,"message":"not now\\nnor ever"}', Unavailable, r"take the entry: 400: not now"),
        (REKOR, 500, b"<html>", Unavailable, r"take the entry: .*HTTP 500"),
        (REKOR, 201, b"", Unavailable, r"does not answer|makes no sense"),
        (REKOR, 201, b"{}", Unavailable, r"makes no sense: ValueError"),
        (REKOR, 201, b'{"a":{"body":"e30="}}', Unavailable, r"makes no sense"),
    ],
)
def test_services_that_fail(
    path: str, status: int, body: bytes, kind: type[ModelPackError], said: str, services: Services
) -> None:
    services.faults[path] = status, body
    error = refusal(services)
    assert type(error) is kind
    with pytest.raises(kind, match=said):
        raise error


def test_nobody_listens(instance: Instance) -> None:
    with Services(instance) as services:
        config = services.trust_config()
    with pytest.raises(Unavailable, match="does not answer"):
        sign_keyless(STATEMENT, token=token(), trust_config=config)


def test_a_service_that_never_answers(services: Services) -> None:
    services.patience = threading.Event()
    error = refusal(services, timeout=0.2)
    services.patience.set()
    assert isinstance(error, Unavailable)
    assert str(error) == "signing keyless took longer than 0.2 seconds"


def test_a_certificate_that_is_in_no_log(services: Services) -> None:
    other = Instance.make()
    services.instance = Instance(other.fulcio, services.instance.rekor)
    config = Services.trust_config
    trusted = json.loads(config(services))
    trusted["trustedRoot"] = Instance.make().root()
    with pytest.raises(BadSignature, match="the certificate that was issued does not verify"):
        sign_keyless(STATEMENT, token=token(), trust_config=json.dumps(trusted).encode())


def test_a_log_that_answers_with_another_entry(services: Services) -> None:
    """It would be found out only when somebody verifies."""
    first: list[Document] = []

    def replay(entry: Document) -> Document:
        first.append(entry)
        return first[0]

    services.tamper = replay
    verified(sign(services), services.instance)
    with pytest.raises(BadSignature, match="does not hold"):
        sign(services, b"{}")


def test_a_log_that_promises_too_much(services: Services) -> None:
    services.tamper = lambda entry: {**entry, "integratedTime": str(int(entry["integratedTime"]) - 1)}
    with pytest.raises(BadSignature, match="inclusion promise"):
        sign(services)


def test_a_bundle_about_something_else(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sign(services, b"{}")
    monkeypatch.setattr(signing, "_sign", lambda *_: other)
    with pytest.raises(BadSignature, match="not about this statement"):
        sign(services)


def test_a_token_that_expires_on_the_way(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    from sigstore.oidc import IdentityToken

    valid = iter((True, False))
    monkeypatch.setattr(IdentityToken, "in_validity_period", lambda _: next(valid))
    error = refusal(services)
    assert isinstance(error, InputError)
    assert str(error) == "the identity token has expired"


@pytest.mark.parametrize("statement", [b"", b"[]", b"{", b"\xff", b'{"a":1,"a":2}'])
def test_statements_that_are_none(statement: bytes, services: Services) -> None:
    with pytest.raises(DocumentError, match="statement"):
        sign(services, statement)
    assert services.requests == []


@pytest.mark.parametrize(
    "change",
    [{"caUrls": []}, {"rekorTlogUrls": []}, {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.1+json"}],
)
def test_configs_that_name_nobody(change: Document, services: Services) -> None:
    config = json.loads(services.trust_config())
    config["signingConfig"].update(change)
    with pytest.raises(InputError, match="the trust config is not usable"):
        sign_keyless(STATEMENT, token=token(), trust_config=json.dumps(config).encode())
    with pytest.raises(DocumentError, match="trust config"):
        sign_keyless(STATEMENT, token=token(), trust_config=b"{}")


def test_the_public_instance_is_asked_by_default(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, connections: list[str]
) -> None:
    """What would be asked is in the package; nothing is read from, or kept in, the user's folders."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Unavailable, match=r"fulcio\.sigstore\.dev"):
        sign_keyless(STATEMENT, token=token())
    assert set(connections) == {"fulcio.sigstore.dev"}
    connections.clear()
    config = json.loads(services.trust_config())
    parts = {"trusted_root.json": config["trustedRoot"], "signing_config.v0.2.json": config["signingConfig"]}
    monkeypatch.setattr(roots, "_embedded", lambda name: json.dumps(parts[name]).encode())
    verified(sign_keyless(STATEMENT, token=token()), services.instance)
    assert list(tmp_path.iterdir()) == []


def test_the_machine_has_no_other_way_out(connections: list[str]) -> None:
    """The guard of this folder: names are not looked up, and other addresses not reached."""
    with pytest.raises(socket.gaierror):
        socket.create_connection(("registry.example", 443))
    with socket.socket() as elsewhere, pytest.raises(OSError, match="stay on this machine"):
        elsewhere.connect(("192.0.2.1", 443))
    connections.clear()
