"""A small registry as one might meet it, really made, signed, served and audited: what the pictures in the documentation show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelpack.access import Access
from modelpack.attest import Material
from modelpack.audit.auditing import Audit, Options
from modelpack.audit.policy import AuditPolicy
from modelpack.audit.results import Results
from modelpack.audit.rules import default
from modelpack.oci import Descriptor, Manifest
from modelpack.serve import Server
from modelpack.store import LayoutStore
from tests.audit.seed.folders import card, config, weights
from tests.audit.seed.kit import Kit
from tests.audit.seed.signatures import attach_like
from tests.audit.seed.workshop import Workshop
from tests.scan.hostile_files import CONTAINERS, DOCUMENTS
from tests.trust.making import key

COMMITS = {
    "llama-3-8b": "5f0b02c75b57c5855da9ae460ce51323ea669d8a",
    "minilm-base": "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
}
DATA = "0f9d2a4b7c3e5d6f8091a2b3c4d5e6f708192a3b"
WITHDRAWN = "trained on data that was withdrawn"


@dataclass
class Shop(Kit):
    """Repositories have names of their own."""

    def place(self, name: str) -> str:
        return f"{self.host}/{name}"

    def made(
        self, name: str, tag: str, *bases: Material, family: str = "llama", size: int = 512, **more: Any
    ) -> Descriptor:
        """A model in order; ``size`` is the side of its only tensor. ``more`` says what is to be otherwise."""
        files = {
            "model.safetensors": weights(f"{name}:{tag}", {"model.weight": ("F16", (size, size))}),
            "config.json": config(model_type=family, **more.get("settings", {})),
            **more.get("files", {}),
        }
        descriptor = self.packed(name, files, tag=tag)
        if signer := more.get("signer", "release"):
            self.sign(name, descriptor, signer, more.get("format", "bundle"))
        if more.get("described", True):
            self.describe(name, descriptor, provenance=self.provenance(name, *bases))
        return descriptor

    def base(self, name: str) -> Material:
        """One of the models, as what another was made from."""
        found = self.found[name]
        return Material(f"oci://{self.at(name, found)}", "base-model", {"sha256": found.digest.hex})


def hub(name: str, role: str = "base-model", commit: str = "") -> Material:
    """Something on the Hub."""
    kind = "datasets/" if role == "dataset" else ""
    return Material(f"https://huggingface.co/{kind}example-org/{name}", role, {"gitCommit": commit or COMMITS[name]})


def stock(shop: Shop) -> None:
    """Make all models."""
    shop.made("base/llama-3-8b", "1.0", hub("llama-3-8b"), size=1400)
    shop.made("base/minilm-l6", "2.1.0", hub("minilm-base"), family="bert")
    shop.made("base/qwen2.5-7b", "1.0", family="qwen2", size=1300, format="tag")
    shop.made("ml/chat", "1.4.0", shop.base("base/llama-3-8b"), hub("chat-dialogues", "dataset", DATA), size=1400)
    shop.made("ml/support-bot", "3.0.1", shop.base("ml/chat"), size=1400, signer="stranger")
    plain = {"README.md": b"# Legal summaries\n\nSummaries of long contracts.\n"}
    shop.made("ml/legal-summaries", "0.9.0", size=1400, files=plain, described=False)
    settings = {"auto_map": {"AutoModel": "modeling_custom.Model"}}
    shop.made("ml/code-assistant", "0.3.0", shop.base("base/qwen2.5-7b"), family="qwen2", size=1300, settings=settings)
    both = shop.base("base/llama-3-8b"), shop.base("base/qwen2.5-7b")
    shop.made("lab/merge-llama-qwen", "exp-12", *both, size=1400, signer="")
    shop.made("search/reranker", "2.0.0", shop.base("base/minilm-l6"), family="bert")
    shop.made("search/query-encoder", "1.1.0", shop.base("base/minilm-l6"), family="bert", signer="former")
    shop.made(
        "speech/wake-word", "4.2.0", family="wav2vec2", size=64, signer="", files={"decoder.pt": CONTAINERS["torch"][1]}
    )
    engine = {"encoder.engine": DOCUMENTS["TensorRT"][1]}
    shop.made("speech/transcriber", "2.0.0", family="whisper", size=1000, files=engine)
    shop.made("vision/defects", "7", family="vit", size=300, files={"README.md": card("defects", "mit")}, signer="")
    _move_signature(shop, "vision/defects")
    for minor in range(9):
        shop.made("ml/tone-adapter", f"0.{minor}.0", shop.base("ml/chat"), size=100)


def _move_signature(shop: Shop, name: str) -> None:
    """Attach to a model what was signed for another."""
    descriptor = shop.found[name]
    other = shop.packed(name, {"notes.txt": b"another"}, tag="other")
    shop.sign(name, other)
    with shop.store(name) as store:
        bundle = next(store.document(one) for one in store.referrers(other))
        assert isinstance(bundle, Manifest)
        attach_like(shop, name, descriptor, bundle, store.read(bundle.layers[0]))
        store.delete(bundle.descriptor)
        store.delete(other)


def policy(shop: Shop) -> AuditPolicy:
    """Whom to trust, what is exempt, what is revoked."""
    shop.trust()
    document = {
        "version": 1,
        "trust": "trust.yaml",
        "exemptions": [
            {
                "rules": ["MP010"],
                "scope": f"{shop.host}/lab/*",
                "reason": "the lab signs on release",
                "expires": "2099-12-31",
            }
        ],
        "revoked": [{"name": "example-org/minilm-base", "reason": WITHDRAWN}],
    }
    path = shop.folder / "audit.yaml"
    path.write_text(json.dumps(document))
    return AuditPolicy.load(path)


@contextmanager
def showcase(folder: Path, port: int = 0) -> Iterator[Results]:
    """What the audit came to, while its state is open."""
    for name in ("work", "cosign"):
        (folder / name).mkdir()
    (folder / "cosign" / "cosign.pub").write_bytes(key("release").public_key.pem)
    with LayoutStore(folder / "layout") as layout, Server(layout, port=port) as server:
        host = f"localhost:{server.host.rpartition(':')[2]}"
        workshop = Workshop()
        shop = Shop(host, host, folder / "work", folder / "cosign", workshop, workshop.lose, workshop.junk)
        stock(shop)
        workshop.pour(folder / "layout")
        options = Options(policy=policy(shop), tool="modelpack 0.1.0")
        with Audit(Access(), [host], default(), folder / "audit.db", options) as running:
            for _ in running:
                pass
            yield running.results()
