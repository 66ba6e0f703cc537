"""Basic and bearer authentication: what is asked for, what is believed, who sees a password."""

from __future__ import annotations

import base64
import threading
import time

import pytest

from modelpack.errors import AccessDenied, DocumentError, ModelPackError, RegistryError, Unavailable
from modelpack.store import BytesSource, Credential, HttpOptions, Registry, RegistryStore, StaticCredentials
from modelpack.store.http import Transport
from modelpack.store.http.auth import Authenticator, parse_challenge
from modelpack.store.http.connections import Origin
from modelpack.store.http.tokens import MAX_TOKEN_BODY
from tests.faults import FaultyRegistry, Guard, Reply, effects, error
from tests.store.clients import NAME, QUICK, Recorder, connect, stored

LOGIN = ("robot", "canary-password")

CHALLENGES = [
    ('Bearer realm="https://a/t",service="s",scope="x:y:z"', "bearer",
     {"realm": "https://a/t", "service": "s", "scope": "x:y:z"}),
    ('bearer Realm = "https://a/t" , Service=s', "bearer",
     {"realm": "https://a/t", "service": "s"}),
    ('Bearer realm="https://a/t",scope="repository:a:pull,push"', "bearer",
     {"realm": "https://a/t", "scope": "repository:a:pull,push"}),
    (r'Bearer realm="a\"b\\c"', "bearer",
     {"realm": r"a\"b\c".replace(r"\"", '"')}),
    ('Basic realm="r"', "basic", {"realm": "r"}),
    ("BASIC", "basic", {}),
    ('Basic realm="r", Bearer realm="https://a/t",service="s"', "bearer",
     {"realm": "https://a/t", "service": "s"}),
    ('Bearer realm="https://a/t",realm="https://evil/t"', "bearer",
     {"realm": "https://a/t"}),
    ("Bearer ", "bearer", {}),
    ("Negotiate", "negotiate", {}),
    ("", "", {}),
    ('Bearer realm="never ends', "bearer", {}),
]  # fmt: skip


@pytest.mark.parametrize(("header", "scheme", "parameters"), CHALLENGES)
def test_a_challenge(header: str, scheme: str, parameters: dict[str, str]) -> None:
    assert parse_challenge(header) == (scheme, parameters)


@pytest.mark.parametrize(
    "header", ["Bearer " + "a" * 60_000, "Bearer " + '"\\' * 30_000, "Bearer realm=" + '"' * 60_000]
)
def test_a_long_challenge_costs_little_time(header: str) -> None:
    begun = time.monotonic()
    parse_challenge(header)
    assert time.monotonic() - begun < 10


def guarded(kind: str, **more: object) -> FaultyRegistry:
    return FaultyRegistry(guard=Guard(kind, *LOGIN, **more))  # type: ignore[arg-type]


def test_basic() -> None:
    with guarded("basic") as faulty, connect(faulty, login=LOGIN) as store:
        store.registry.ping()
        store.registry.ping()
        sent = [request.headers.get("authorization") for request in faulty.requests]
        assert sent == [None, *["Basic " + base64.b64encode(b"robot:canary-password").decode()] * 2]


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_a_wrong_password(kind: str) -> None:
    with guarded(kind) as faulty, connect(faulty, login=("robot", "canary-wrong")) as store:
        with pytest.raises(AccessDenied) as caught:
            store.registry.ping()
        assert "canary" not in str(caught.value) + caught.value.hint
        assert "modelpack login" in caught.value.hint
        assert len(faulty.requests) == 2


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_nobody_is_logged_in(kind: str) -> None:
    with guarded(kind) as faulty, connect(faulty) as store, pytest.raises(AccessDenied, match="answered 401"):
        store.registry.ping()


def test_an_identity_token_is_no_password() -> None:
    with guarded("basic") as faulty:
        known = StaticCredentials({faulty.host: Credential("", "", "canary-identity")})
        with Registry(faulty.host, QUICK, known) as registry, pytest.raises(AccessDenied, match="answered 401"):
            registry.ping()
        assert len(faulty.requests) == 1


def test_a_scheme_that_nobody_knows(faulty: FaultyRegistry) -> None:
    faulty.on("GET", "/v2/", lambda _: error(401, "X", headers={"WWW-Authenticate": "Negotiate"}))
    with connect(faulty, login=LOGIN) as store, pytest.raises(AccessDenied, match="answered 401"):
        store.registry.ping()


def test_one_token_for_each_scope() -> None:
    with guarded("token") as faulty, connect(faulty, login=LOGIN) as store:
        blob = stored(faulty, b"weights")
        for _ in range(3):
            assert store.read(blob) == b"weights"
        store.push_bytes("text/plain", b"x")
        faulty.repository("other")
        store.mount(blob, "other/one")
        assert faulty.guard.scopes == [
            f"repository:{NAME}:pull",
            f"repository:{NAME}:pull,push",
            # the record keeps the last of several
            "repository:other/one:pull",
        ]
        tokens = faulty.find("GET", "/token")
        assert tokens[0].query == {"service": "faults", "scope": f"repository:{NAME}:pull"}


def test_threads_share_one_exchange() -> None:
    with guarded("token") as faulty, connect(faulty, login=LOGIN) as store:
        blob = stored(faulty, b"weights")
        faulty.on("GET", "/token", effects.drip(100, 0.02), times=None)
        threads = [threading.Thread(target=store.read, args=(blob,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faulty.count("GET", "/token") == 1
        assert faulty.count("GET", "/blobs/") == 12


def test_a_token_is_renewed_before_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    with guarded("token", lifetime=100) as faulty, connect(faulty, login=LOGIN) as store:
        blob = stored(faulty, b"weights")
        store.read(blob)
        now = time.monotonic() + 96
        monkeypatch.setattr("modelpack.store.http.auth.time.monotonic", lambda: now)
        store.read(blob)
        assert len(faulty.guard.scopes) == 2
        assert faulty.find("GET", "/blobs/")[2].headers.get("authorization") is None


@pytest.mark.parametrize("expires", ["0", "1", "-5", "null", "true", '"300"', "1e300", "9" * 30, "300.5"])
def test_whatever_is_said_about_expiry(faulty: FaultyRegistry, expires: str) -> None:
    faulty.guard.kind = "token"
    faulty.guard.tokens.add("t")
    faulty.on("GET", "/token", effects.reply(200, b'{"token":"t","expires_in":%s}' % expires.encode()), times=None)
    with connect(faulty) as store:
        store.registry.ping()
        store.registry.ping()


def test_a_registry_that_takes_no_token_is_not_asked_for_ever(faulty: FaultyRegistry) -> None:
    faulty.guard.kind = "token"
    for answer in (b'{"access_token":"same"}', b'{"token":"","access_token":"same"}'):
        faulty.on("GET", "/token", effects.reply(200, answer), times=2)
    with connect(faulty) as store:
        for _ in range(2):
            with pytest.raises(AccessDenied, match="answered 401"):
                store.registry.ping()
    assert faulty.count("GET", "/v2/") == 3  # the second time the known token goes with the first request
    assert faulty.count("GET", "/token") == 2


def test_an_identity_token_is_exchanged() -> None:
    asked = []

    def token(exchange: effects.Exchange) -> Reply:
        asked.append(exchange.incoming.read())
        exchange.registry.guard.tokens.add("access")
        return Reply(200, {}, b'{"access_token":"access"}')

    with guarded("token") as faulty:
        faulty.on("POST", "/token", token)
        known = StaticCredentials({faulty.host: Credential("<token>", "", "canary-identity")})
        with RegistryStore(Registry(faulty.host, QUICK, known), NAME) as store:
            assert store.read(stored(faulty, b"weights")) == b"weights"
    assert asked == [
        b"grant_type=refresh_token&service=faults&scope=repository%3Amodels%2Ftiny%3Apull&refresh_token=canary-identity"
    ]
    assert "authorization" not in faulty.find("POST", "/token")[0].headers


NONSENSE: dict[str, tuple[effects.Fault, type[ModelPackError], str]] = {
    "no JSON": (effects.reply(200, b"<html>"), DocumentError, "token: not JSON"),
    "a list": (effects.reply(200, b"[]"), DocumentError, "token: not a JSON object"),
    "no token": (effects.reply(200, b"{}"), DocumentError, "a token is required"),
    "a number": (effects.reply(200, b'{"token":5}'), DocumentError, "a string is required"),
    "a line break": (effects.reply(200, b'{"token":"a\\r\\nX: y"}'), DocumentError, "a token is required"),
    "not ASCII": (effects.reply(200, '{"token":"é"}'.encode()), DocumentError, "a token is required"),
    "a bomb": (effects.reply(200, b"[" * 60_000), DocumentError, "nested deeper"),
    "too large": (
        effects.reply(200, b'{"token":"%s"}' % (b"x" * MAX_TOKEN_BODY)),
        DocumentError,
        "more than 65536 bytes",
    ),
    "endless": (effects.flood(1 << 30, declared=False), DocumentError, "more than 65536 bytes"),
    "refused": (effects.status(403), AccessDenied, "answered 403"),
    "a redirect": (effects.redirect("http://elsewhere.example/"), AccessDenied, "answered 307"),
    "busy": (effects.status(503), Unavailable, "answered 503"),
    "cut off": (
        effects.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
        Unavailable,
        "broke off|before the end",
    ),
    "hung up": (effects.hang_up(), Unavailable, "no answer from http://127.0.0.1"),
    "dripping": (effects.drip(1, 0.02), Unavailable, "fewer than"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_a_token_server_that_does_not_do_its_work(name: str) -> None:
    fault, kind, message = NONSENSE[name]
    with (
        guarded("token") as faulty,
        connect(faulty, login=LOGIN, read_timeout=0.3, minimum_rate=4000, retries=2) as store,
    ):
        faulty.on("GET", "/token", fault, times=None)
        with pytest.raises(kind, match=message) as caught:
            store.registry.ping()
        assert "canary" not in str(caught.value) + caught.value.hint
        assert faulty.count("GET", "/token") == (2 if kind is Unavailable else 1)


def test_a_service_that_no_header_can_hold(faulty: FaultyRegistry) -> None:
    challenge = f'Bearer realm="{faulty.url}/token",service=" s"'
    faulty.on("GET", "/v2/", lambda _: error(401, "X", headers={"WWW-Authenticate": challenge}), times=None)
    with connect(faulty, retries=1) as store, pytest.raises(Unavailable, match="cannot ask the token server"):
        store.registry.ping()


def test_a_token_server_that_recovers() -> None:
    with guarded("token") as faulty, connect(faulty, login=LOGIN) as store:
        faulty.on("GET", "/token", effects.status(503))
        faulty.on("GET", "/token", effects.hang_up())
        store.registry.ping()


REALMS = [
    # registry, realm, words of the refusal ("" if it is taken)
    ("https://r.example", "https://r.example/token", ""),
    ("https://r.example", "https://auth.example/token", ""),
    ("http://r.example", "http://auth.example/token", ""),
    ("http://r.example", "https://auth.example/token", ""),
    ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", ""),
    ("https://10.0.0.1", "https://10.0.0.2/token", ""),
    ("https://r.example", "http://r.example/token", "over plain HTTP, to r.example"),
    ("https://r.example", "http://localhost/token", "over plain HTTP"),
    ("https://r.example", "https://localhost/token", "private address, localhost"),
    ("https://r.example", "https://127.0.0.1/token", "private address"),
    ("https://r.example", "https://[::1]/token", "private address"),
    ("https://r.example", "https://[::ffff:127.0.0.1]/token", "private address"),
    ("https://r.example", "https://10.0.0.1/token", "private address"),
    ("https://r.example", "https://169.254.169.254/latest/meta-data", "private address"),
    ("http://r.example", "http://192.168.0.1/token", "private address"),
    ("https://r.example", "https://user:x@auth.example/token", "with a password in its URL"),
    ("https://r.example", "https://@auth.example/token", "with a password in its URL"),
    ("https://r.example", "", "no usable token server"),
    ("https://r.example", "auth.example/token", "no usable token server"),
    ("https://r.example", "file:///etc/passwd", "no usable token server"),
    ("https://r.example", "https://[::1/token", "no usable token server"),
    ("https://r.example", "https://a b/token", "no usable token server"),
]


@pytest.mark.parametrize(("registry", "realm", "refusal"), REALMS)
def test_which_token_server_is_believed(
    registry: str, realm: str, refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(_: Transport, realm: str, *__: object) -> dict[str, object]:
        asked.append(realm)
        return {"token": "t"}

    monkeypatch.setattr("modelpack.store.http.tokens.fetch_token", fetch)
    origin = Origin.of(registry)
    authenticator = Authenticator(origin, "r.example", Transport(HttpOptions()), StaticCredentials())
    if refusal:
        with pytest.raises(AccessDenied, match=refusal):
            authenticator.answer(f'Bearer realm="{realm}"', "s", "")
        assert asked == []
    else:
        assert authenticator.answer(f'Bearer realm="{realm}"', "s", "") == "Bearer t"
        assert asked == [realm]


def test_a_refused_realm_leaves_no_connection_open() -> None:
    with guarded("token") as faulty, connect(faulty, login=LOGIN) as store:
        challenge = {"WWW-Authenticate": 'Bearer realm="ftp://x/"'}
        faulty.on("GET", "/v2/", lambda _: Reply(401, challenge, b"x" * 100_000))
        with pytest.raises(AccessDenied, match="no usable token server"):
            store.registry.ping()


def test_an_expired_token_in_mid_transfer() -> None:
    with guarded("token") as faulty, connect(faulty, login=LOGIN, observe=(observe := Recorder())) as store:
        data = bytes(range(256)) * 400
        blob = stored(faulty, data)
        faulty.on("GET", "/blobs/", effects.cut(50_000, "reset"), skip=1)
        faulty.on("GET", "/blobs/", effects.expired_token(), skip=2)
        assert store.read(blob) == data
        assert [request.headers.get("range") for request in faulty.find("GET", "/blobs/")][2:] == ["bytes=50000-"] * 2
        assert len(faulty.guard.scopes) == 2
        assert len(observe.notes) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("how", ["push", "ingest"])
def test_an_expired_token_during_an_upload(method: str, how: str) -> None:
    data = bytes(range(256)) * 4000
    counted: list[int] = []
    with guarded("token") as faulty, connect(faulty, login=LOGIN) as store:
        rule = faulty.on(method, "/uploads/", effects.expired_token())
        if how == "ingest":
            found = store.ingest("a/b", BytesSource(data), counted.append)
        else:
            found = store.push_bytes("a/b", data)
            counted = [len(data)]
        assert faulty.repository(NAME).blobs[str(found.digest)] == data
        assert rule.fired == (0 if (method, how) == ("PATCH", "push") else 1)
    assert sum(counted) == len(data)


def echo(exchange: effects.Exchange) -> Reply:
    """A registry that repeats what it was told."""
    header = exchange.request.headers.get("authorization", "")
    login = base64.b64decode(header.partition(" ")[2] + "==", altchars=b"-_").decode(errors="replace")
    return error(400, "BAD", f"you said {header}, that is {login}")


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_secrets_that_a_registry_repeats_are_not_shown(kind: str) -> None:
    with guarded(kind) as faulty, connect(faulty, login=LOGIN) as store:
        store.registry.ping()
        faulty.on("GET", "/manifests/", echo, skip=1)
        with pytest.raises(ModelPackError, match="you said B") as caught:
            store.resolve("v1")
        text = str(caught.value)
        assert "***" in text
        assert LOGIN[1] not in text
        assert base64.b64encode(b":".join(part.encode() for part in LOGIN)).decode() not in text
        assert not any(token in text for token in faulty.guard.tokens)


def test_half_a_secret_is_not_shown_either(faulty: FaultyRegistry) -> None:
    token = "canary-" + "x" * 5000
    faulty.guard.kind = "token"
    faulty.guard.tokens.add(token)
    faulty.on("GET", "/token", effects.reply(200, f'{{"token":"{token}"}}'.encode()))
    faulty.on("GET", "/manifests/", lambda _: error(400, f"BAD {token}", f"you said {token}"), skip=1)
    with connect(faulty) as store, pytest.raises(RegistryError) as caught:
        store.resolve("v1")
    assert "canary" not in str(caught.value) + caught.value.code
    assert caught.value.code == "BAD ***"


def test_short_secrets_are_not_looked_for(faulty: FaultyRegistry) -> None:
    faulty.guard = Guard("basic", "a", "e")
    faulty.on("GET", "/manifests/", effects.status(400), skip=1)
    with connect(faulty, login=("a", "e")) as store, pytest.raises(ModelPackError, match="UNAVAILABLE: unavailable"):
        store.resolve("v1")


def test_what_credentials_raise_goes_through() -> None:
    class Broken:
        def get(self, host: str) -> Credential | None:
            raise DocumentError("config.json", "", f"broken for {host}")

    for kind in ("basic", "token"):
        with (
            guarded(kind) as faulty,
            Registry(faulty.host, QUICK, Broken()) as registry,
            pytest.raises(DocumentError, match=r"broken for 127.0.0.1"),
        ):
            registry.ping()
