"""Registries that do not answer, lie or overflow: what could not be found out is never "unsigned"; and nobody reads weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import modelpack
from modelpack import Access, HttpOptions, SignedBy
from modelpack.errors import AccessDenied, BadSignature, CannotVerify, ModelPackError, NoSignature, Unavailable
from modelpack.oci import Descriptor, Index, Manifest
from modelpack.oci.mediatypes import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST
from modelpack.store import Proxies, Referring
from modelpack.trust.envelope import BUNDLE
from tests.faults import Exchange, FaultyRegistry, Features, Reply, effects
from tests.interop.signing.forged import attach_bundle, bundle, statement
from tests.interop.signing.published import Holder, opened, write_model
from tests.interop.signing.published import Published as Model
from tests.real.proxy import Proxy
from tests.real.registries import Registry

QUICK = Access(HttpOptions(backoff=0.001, retries=2))


def published(registry: FaultyRegistry, folder: Path) -> Model:
    write_model(folder / "files", registry.host)
    model = Model(f"{registry.host}/models/tiny", modelpack.pack(folder / "files", name="tiny"))
    modelpack.push(model.packed, model.reference)
    return model


@pytest.fixture(params=[True, False], ids=["api", "fallback"])
def troubled(request: pytest.FixtureRequest) -> Iterator[FaultyRegistry]:
    """A registry with the referrers API, and one without."""
    with FaultyRegistry(Features(referrers=request.param)) as running:
        yield running


@pytest.fixture
def model(troubled: FaultyRegistry, owner: Holder, tmp_path: Path) -> Model:
    """A model that the owner signed in all formats, in a registry that is about to have trouble."""
    made = published(troubled, tmp_path)
    modelpack.sign(made.reference, owner.key)
    return made


ENDPOINTS = {
    "the list of referrers": r"/referrers/|/manifests/sha256-[0-9a-f]{64}$",
    "the tag": r"/manifests/sha256-[0-9a-f]{64}\.sig$",
    "the attestations' tag": r"/manifests/sha256-[0-9a-f]{64}\.att$",
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(("status", "error"), [(401, AccessDenied), (503, Unavailable)])
def test_no_answer_is_an_error(
    endpoint: str, status: int, error: type[ModelPackError], troubled: FaultyRegistry, model: Model, owner: Holder
) -> None:
    rule = troubled.on("GET", ENDPOINTS[endpoint], effects.status(status), times=None)
    with pytest.raises(error):
        modelpack.verify(model.reference, policy=SignedBy(owner.public), access=QUICK)
    with pytest.raises(error):
        modelpack.tree(model.reference, access=QUICK)
    with pytest.raises(error):
        modelpack.sign(model.reference, owner.key, access=QUICK)
    assert rule.fired


def test_without_the_api_the_tag_is_asked(owner: Holder, tmp_path: Path) -> None:
    with FaultyRegistry(Features(referrers=False)) as registry:
        model = published(registry, tmp_path)
        modelpack.sign(model.reference, owner.key, formats=["bundle"])
        before = len(registry.requests)
        modelpack.verify(model.reference, policy=SignedBy(owner.public))
        asked = [request.path.rpartition("/")[2] for request in registry.requests[before:]]
        tag = f"sha256-{model.digest.hex}"
        assert registry.count("GET", "/referrers/")
        assert tag in asked
        registry.repository("models/tiny").tags.pop(tag)
        with pytest.raises(NoSignature):
            modelpack.verify(model.reference, policy=SignedBy(owner.public))


def listing(*entries: Descriptor) -> effects.Fault:
    """A list of referrers, whatever was asked for."""
    return effects.reply(200, Index.build(entries).raw, {"Content-Type": OCI_INDEX})


def test_referrers_of_something_else(faulty: FaultyRegistry, owner: Holder, tmp_path: Path) -> None:
    """Another model's good signature, listed as this one's."""
    model = published(faulty, tmp_path)
    with opened(model) as store:
        other = Descriptor.of(OCI_MANIFEST, b"another model")
        attach_bundle(store, other, dumps_bundle(owner, other))
        (entry,) = attached(faulty, other)
    faulty.on("GET", "/referrers/", listing(entry), times=None)
    with pytest.raises(BadSignature, match="attached to something else"):
        modelpack.verify(model.reference, policy=SignedBy(owner.public))


def dumps_bundle(who: Holder, subject: Descriptor) -> bytes:
    return json.dumps(bundle(who.key, statement(subject.digest))).encode()


def attached(registry: FaultyRegistry, subject: Descriptor) -> tuple[Descriptor, ...]:
    with Access().open(f"{registry.host}/models/tiny") as store:
        assert isinstance(store, Referring)
        return store.referrers(subject)


@pytest.mark.parametrize("what", ["manifest", "blob"])
def test_what_is_listed_and_gone(what: str, faulty: FaultyRegistry, owner: Holder, tmp_path: Path) -> None:
    model = published(faulty, tmp_path)
    modelpack.sign(model.reference, owner.key, formats=["bundle"])
    (entry,) = attached(faulty, model.descriptor)
    repository = faulty.repository("models/tiny")
    if what == "blob":
        del repository.blobs[str(Manifest.parse(repository.manifests[str(entry.digest)][1]).layers[0].digest)]
    else:
        del repository.manifests[str(entry.digest)]
    faulty.on("GET", "/referrers/", listing(entry), times=None)
    with pytest.raises(CannotVerify, match="404"):
        modelpack.verify(model.reference, policy=SignedBy(owner.public))
    modelpack.sign(model.reference, owner.key, formats=["tag"])
    modelpack.verify(model.reference, policy=SignedBy(owner.public))


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_ten_thousand_referrers(last: bool, owner: Holder, tmp_path: Path) -> None:
    """Only so many are looked at, and what is left out is said."""
    with FaultyRegistry(Features(page=1000)) as registry:
        model = published(registry, tmp_path)
        repository = registry.repository("models/tiny")
        modelpack.sign(model.reference, owner.key, formats=["bundle"])
        (good,) = attached(registry, model.descriptor)
        repository.add_blob(b"{}")
        flood = [_clutter(model, number) for number in range(300)]
        for manifest in flood:
            repository.add_manifest(OCI_MANIFEST, manifest.raw)
        entries = [manifest.descriptor for manifest in flood]
        entries += [Descriptor.of(OCI_MANIFEST, b"%d" % number) for number in range(9_700)]
        listed = [*entries, good] if last else [good, *entries]
        registry.on("GET", "/referrers/", _pages(listed), times=None)
        before = len(registry.requests)
        if last:
            with pytest.raises(CannotVerify, match="more are attached than are looked at"):
                modelpack.verify(model.reference, policy=SignedBy(owner.public))
        else:
            evidence = modelpack.verify(model.reference, policy=SignedBy(owner.public)).evidence
            assert evidence.skipped == 10_001 - 200
        assert len(registry.requests) - before < 250


def _clutter(model: Model, number: int) -> Manifest:
    empty = Descriptor.of(OCI_EMPTY, b"{}")
    return Manifest.build(
        artifact_type=BUNDLE,
        config=empty,
        layers=(empty,),
        subject=model.descriptor.plain(),
        annotations={"number": str(number)},
    )


def _pages(entries: list[Descriptor]) -> effects.Fault:
    def fault(exchange: Exchange) -> Reply:
        start = int(exchange.request.query.get("start", "0"))
        reply = listing(*entries[start : start + 2000])(exchange)
        link = f'<{exchange.request.path}?start={start + 2000}>; rel="next"'
        more = {"Link": link} if start + 2000 < len(entries) else {}
        return Reply(200, {**reply.headers, **more}, reply.body)

    return fault


def test_neither_signing_nor_verifying_reads_weights(
    own_registry: Registry, owner: Holder, proxy: Proxy, tmp_path: Path
) -> None:
    size = 300 << 20
    write_model(tmp_path / "files", "large")
    with (tmp_path / "files" / "pytorch_model.bin").open("wb") as file:
        file.truncate(size)
    model = Model(own_registry.repository("models/large"), modelpack.pack(tmp_path / "files", name="large"))
    assert modelpack.push(model.packed, model.reference).sent > size
    watched = Access(HttpOptions(proxies=Proxies(http=proxy.proxy_url)))
    modelpack.sign(model.reference, owner.key, access=watched)
    modelpack.attest(model.reference, owner.key, "https://example.org/checked", {}, access=watched)
    found = modelpack.verify(model.reference, policy=SignedBy(owner.public), access=watched)
    assert len(found.evidence.signatures) == 4
    assert 0 < proxy.received < 1 << 20
    assert not any(str(model.packed.files["pytorch_model.bin"]) in target for _, target in proxy.requests)
