"""Results for reports: artifacts put together by hand, judged by the real rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from modelpack.audit import Artifact, Finding, Hit, Rule, Settings, Severity, Subject
from modelpack.audit.facts import (
    Ancestor,
    Cause,
    Document,
    Layer,
    Problem,
    SignatureFact,
    Sort,
    Stated,
    Unchecked,
    Weights,
)
from modelpack.audit.policy import Exemption, Revocation
from modelpack.audit.policy.judging import judge
from modelpack.audit.results import Results, Tally
from modelpack.audit.rules import EstateRule, default
from modelpack.oci import Digest

STARTED = datetime(2026, 11, 24, 6, 0, 0, tzinfo=UTC)
FINISHED = datetime(2026, 11, 24, 6, 1, 12, 500_000, tzinfo=UTC)
REGISTRY = "registry.example"


def digest(name: str) -> Digest:
    return Digest("sha256", hashlib.sha256(name.encode("utf-8", "replace")).hexdigest())


@dataclass(frozen=True)
class Seen:
    """An estate in memory."""

    all: tuple[Artifact, ...]

    def artifacts(self) -> Iterator[Artifact]:
        yield from sorted(self.all, key=lambda artifact: artifact.subject)

    def artifact(self, place: str, digest: Digest) -> Artifact | None:
        return next((one for one in self.all if (one.subject.place, one.subject.digest) == (place, digest)), None)

    def known(self, digest: Digest) -> tuple[Subject, ...]:
        return tuple(one.subject for one in self.artifacts() if one.subject.digest == digest)

    def vanished(self) -> Iterator[tuple[Subject, str]]:
        yield from ()

    def duplicates(self) -> Iterator[tuple[Digest, tuple[tuple[Subject, str, Digest, int], ...]]]:
        yield from ()

    def derived(self, base: Digest | str) -> Iterator[tuple[Subject, tuple[Ancestor, ...]]]:
        for artifact in self.artifacts():
            for ancestor in artifact.ancestors:
                if base in (ancestor.digest, ancestor.commit, ancestor.name):
                    yield artifact.subject, (ancestor,)
                    if artifact.subject.digest:
                        for subject, way in self.derived(artifact.subject.digest):
                            yield subject, (ancestor, *way)


def signature(status: str = "verified", cause: Cause = Cause.NONE, **more: Any) -> SignatureFact:
    said = {
        "kind": "signature",
        "format": "bundle",
        "signers": ("release@ml.example",) if status == "verified" else (),
        **more,
    }
    return SignatureFact(manifest=digest(f"signature {status} {cause}"), status=status, cause=cause, **said)


def model(
    place: str, *tags: str, family: str = "llama", licence: str = "Apache-2.0", billions: float = 8.0, **more: Any
) -> Artifact:
    """A model without flaws, apart from what ``more`` says."""
    place = place if "." in place.partition("/")[0] or place.startswith("oci:") else f"{REGISTRY}/{place}"
    own = digest(f"{place}:{','.join(tags)}")
    layer = Layer(
        digest(f"{own} weights"),
        int(billions * 2e9),
        "application/vnd.cncf.model.weight.v1.raw",
        "model.safetensors",
        "weight",
        "raw",
    )
    parameters = int(billions * 1e9)
    given: dict[str, Any] = {
        "media_type": "application/vnd.oci.image.manifest.v1+json",
        "artifact_type": "application/vnd.cncf.model.manifest.v1+json",
        "layers": (layer,),
        "stated": Stated(
            name=place.rpartition("/")[2], version=tags[0] if tags else "", family=family, format="safetensors"
        ),
        "weights": Weights(("safetensors",), parameters, {"BF16": parameters}, headers_read=1),
        "licenses": (licence,) if licence else (),
        "license_source": "config",
        "family": family,
        "signatures": (signature(),),
        "documents": (
            Document(digest(f"{own} sbom"), "application/vnd.cyclonedx+json", "sbom", True, True),
            Document(
                digest(f"{own} prov"),
                "https://slsa.dev/provenance/v1",
                "provenance",
                True,
                True,
                builder="https://ci.example/build",
            ),
        ),
    }
    return Artifact(Subject(place, own, tuple(sorted(tags))), **({"sort": Sort.MODEL} | given | more))


def base_of(artifact: Artifact, relation: str = "finetune") -> Ancestor:
    return Ancestor(
        "base-model", artifact.subject.place, digest=artifact.subject.digest, relation=relation, source="provenance"
    )


def hub(name: str, commit: str = "", role: str = "base-model") -> Ancestor:
    return Ancestor(role, name, uri=f"hf://{name}", commit=commit, source="card")


SETTINGS = Settings(
    now=STARTED,
    revoked=(Revocation("example-org/minilm-base", "it was trained on data that was withdrawn"),),
    exemptions=(
        Exemption(("MP010",), f"{REGISTRY}/lab/*", "the lab signs on release", datetime(2027, 1, 1, tzinfo=UTC)),
    ),
)


def audited(
    artifacts: Iterable[Artifact],
    *,
    settings: Settings = SETTINGS,
    rules: Sequence[Rule] | None = None,
    extra: Iterable[Finding] = (),
    targets: tuple[str, ...] = (REGISTRY,),
    complete: bool = True,
) -> Results:
    """What an audit of these says, by the real rules."""
    estate = Seen(tuple(artifacts))
    rules = default() if rules is None else rules
    findings = [*extra]
    for artifact in estate.artifacts():
        for rule in rules:
            findings += [_finding(rule, hit, artifact.subject) for hit in rule.check(artifact, settings)]
    for rule in rules:
        if isinstance(rule, EstateRule):
            findings += [_finding(rule, hit, hit.subject) for hit in rule.check_estate(estate, settings) if hit.subject]
    judged = [kept for found in findings if (kept := judge(found, settings))]
    tally = Tally(repositories=len({one.subject.place for one in estate.all}))
    for found in judged:
        tally.add(found)
    for artifact in estate.all:
        tally.artifacts[str(artifact.sort)] += 1
        tally.tags += len(artifact.subject.tags)
    summary = tally.summary(requests=412, seconds=(FINISHED - STARTED).total_seconds())
    return Results(
        STARTED, FINISHED, targets, tuple(rules), tuple(judged), summary, estate, complete, "modelpack 0.1.0"
    )


def _finding(rule: Rule, hit: Hit, subject: Subject) -> Finding:
    return Finding(
        rule.id, rule.severity, subject, hit.message, hit.place, rule.remedy, "", hit.unchecked, dict(hit.data)
    )


@cache
def ordinary() -> Results:
    """A registry as one might meet it: mostly in order, with one of each trouble."""
    legacy = signature(format="tag", legacy=True)
    llama = model(
        "base/llama-3-8b",
        "1.0",
        "latest",
        ancestors=(hub("example-org/llama-3-8b", "5f0b02c75b57c5855da9ae460ce51323ea669d8a"),),
    )
    embedder = model(
        "base/minilm-l6",
        "2.1.0",
        family="bert",
        billions=0.0227,
        ancestors=(hub("example-org/minilm-base", "c9" * 20),),
    )
    qwen = model("base/qwen2.5-7b", "1.0", family="qwen2", billions=7.6, signatures=(legacy,))
    chat = model(
        "ml/chat",
        "1.4.0",
        "stable",
        ancestors=(base_of(llama), hub("example-org/chat-dialogues", "aa" * 20, "dataset")),
    )
    chat_q = model(
        "ml/chat-gguf",
        "1.4.0",
        billions=8.0,
        ancestors=(base_of(chat, "quantized"),),
        weights=Weights(("gguf",), 8 * 10**9, {"Q4_K": 8 * 10**9}, "Q4_K_M", 1),
    )
    support = model(
        "ml/support-bot",
        "3.0.1",
        ancestors=(base_of(chat),),
        signatures=(signature("untrusted", Cause.UNKNOWN_SIGNER, reason="no key of the policy made it"),),
    )
    legal = model("ml/legal-summaries", "0.9.0", ancestors=(base_of(llama),), licence="", documents=())
    search = model("search/reranker", "2.0.0", "2.0", family="bert", billions=0.11, ancestors=(base_of(embedder),))
    query = model(
        "search/query-encoder",
        "1.1.0",
        family="bert",
        billions=0.0227,
        ancestors=(base_of(embedder),),
        signatures=(signature("bad", Cause.EXPIRED, reason="the certificate ended on 2026-03-01"),),
    )
    vision = model(
        "vision/defects",
        "7",
        family="vit",
        billions=0.086,
        licence="MIT",
        signatures=(signature("bad", Cause.OTHER_SUBJECT, reason="it is of sha256:4be1…"),),
    )
    merged = model(
        "lab/merge-llama-qwen",
        "exp-12",
        billions=8.1,
        ancestors=(base_of(llama, "merge"), base_of(qwen, "merge")),
        signatures=(),
    )
    coder = model(
        "ml/code-assistant",
        "0.3.0",
        family="qwen2",
        billions=7.6,
        ancestors=(base_of(qwen),),
        findings=(Problem("SCAN-AUTO-MAP", "config.json", "auto_map asks loaders to run modeling_qwen_custom.py"),),
    )
    voice = model(
        "speech/wake-word",
        "4.2.0",
        family="",
        billions=0.0021,
        licence="MIT",
        weights=Weights(("pytorch",)),
        findings=(Problem("SCAN-PICKLE-SYSTEM", "model.pt", "the pickle names os.system"),),
        signatures=(),
    )
    slow = model(
        "speech/transcriber",
        "2.0.0",
        family="whisper",
        billions=1.5,
        unchecked=(
            Unchecked(
                "signatures", "the registry answered 503 to the list of referrers", ("MP010", "MP011", "MP020", "MP030")
            ),
        ),
        signatures=(),
        documents=(),
    )
    more = [
        model("ml/tone-adapter", f"0.{n}.0", billions=0.02, ancestors=(base_of(chat, "adapter"),)) for n in range(9)
    ]
    return audited(
        (llama, embedder, qwen, chat, chat_q, support, legal, search, query, vision, merged, coder, voice, slow, *more),
        complete=False,
    )


HOSTILE = (
    "<script>document.title='owned'</script>",
    '"onerror="document.title=1" x="',
    "</script><script>document.title='owned'</script>",
    "<!-- <script>",
    "javascript:document.title='owned'",
    "<img src=x onerror=\"document.title='owned'\">",
    "</style><svg onload=document.title='owned'>",
    "abc\u202etxt.exe\u2066\u200b\x1b[31m\x00\ud800",
    '=HYPERLINK("http://evil.example","x")',
    "${7*7}{{7*7}}%0d%0a]]>",
)


@cache
def hostile() -> Results:
    """Names, tags, messages and rules that try to be something else."""

    class Odd:
        id, title, severity = f"X{HOSTILE[0]}", HOSTILE[2], Severity.HIGH
        explanation, remedy = HOSTILE[5], HOSTILE[4]

        def check(self, artifact: Artifact, settings: Settings) -> Iterable[Hit]:
            return [Hit(text, text, {text: text}) for text in HOSTILE]

    artifacts = []
    for number, text in enumerate(HOSTILE):
        plain = model(f"evil/model-{number}", text, family=text, licence=text)
        other = model(
            f"evil/{text}", "1.0", ancestors=(base_of(plain), hub(text, text)), signatures=(signature(signers=(text,)),)
        )
        artifacts += [plain, replace(other, unchecked=(Unchecked(text, text),))]
    return audited(artifacts, rules=[*default(), Odd()], targets=HOSTILE)
