"""The real notation, with a configuration of its own, and models in registries for it to sign and verify."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from modelpack.oci import Descriptor, Manifest
from modelpack.oci.mediatypes import OCI_EMPTY
from modelpack.store import BytesSource, RegistryStore
from modelpack.trust.notary import ARTIFACT_TYPE, EMPTY, envelope_in, is_signature, read, signature_manifest
from modelpack.trust.seal import Seal
from tests.real.graphs import push_graph
from tests.real.registries import Registry
from tests.real.test_round_trips import connect
from tests.real.tools import tool
from tests.trust.x509.making import Issued, Tsa, real_now

IDENTITY = "x509.subject: C=US, ST=WA, O=acme, CN=signer"


def policy(*, scope: str = "*", level: str = "strict", identity: str = IDENTITY, **changes: Any) -> dict[str, Any]:
    """A policy document with one statement."""
    verification = {"level": level, **({"override": changes.pop("override")} if "override" in changes else {})}
    if "timestamp" in changes:
        verification["verifyTimestamp"] = changes.pop("timestamp")
    statement = {
        "name": "models",
        "registryScopes": [scope],
        "signatureVerification": verification,
        "trustStores": ["ca:acme"],
        "trustedIdentities": [identity],
        **changes,
    }
    return {"version": "1.0", "trustPolicies": [statement]}


@dataclass(frozen=True)
class Notation:
    """notation with the configuration in a folder."""

    config: Path

    @property
    def home(self) -> Path:
        return self.config / "notation"

    @property
    def truststore(self) -> Path:
        return self.home / "truststore"

    def trust(
        self, *roots: Issued, document: dict[str, Any] | None = None, kind: str = "ca", name: str = "acme"
    ) -> None:
        """Write a named store, and the policy."""
        folder = self.truststore / "x509" / kind / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, root in enumerate(roots):
            (folder / f"root-{number}.pem").write_bytes(root.pem)
        if document:
            (self.home / "trustpolicy.json").write_text(json.dumps(document))

    def key(self, signer: Issued, name: str = "acme") -> None:
        """Give it a key to sign with."""
        folder = self.home / "localkeys"
        folder.mkdir(parents=True, exist_ok=True)
        key, chain = folder / f"{name}.key", folder / f"{name}.crt"
        key.write_bytes(signer.key_pem)
        key.chmod(0o600)
        chain.write_bytes(signer.chain_pem)
        keys = {"default": name, "keys": [{"name": name, "keyPath": str(key), "certPath": str(chain)}]}
        (self.home / "signingkeys.json").write_text(json.dumps(keys))

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [tool("notation"), *arguments],
            env={**os.environ, "XDG_CONFIG_HOME": str(self.config), "XDG_CACHE_HOME": str(self.config / "cache")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def sign(self, model: Model, *options: str) -> None:
        self.run("sign", "--insecure-registry", *options, model.pinned)

    def accepts(self, model: Model, *options: str) -> bool:
        return self.run("verify", "--insecure-registry", *options, model.pinned, check=False).returncode == 0


class Model:
    """A model of ours in a repository of its own."""

    def __init__(self, registry: Registry) -> None:
        self.repository = registry.repository("notary/tiny")
        self.store: RegistryStore = connect(registry, self.repository)
        self.descriptor = push_graph(self.store, self.repository, large=1000).descriptor.plain()
        self.pinned = f"{self.repository}@{self.descriptor.digest}"

    def attach(self, envelope: bytes, *, created: Any = None) -> Manifest:
        """Attach an envelope of ours."""
        manifest = signature_manifest(self.descriptor, envelope, created=created or real_now())
        self.store.push_bytes(OCI_EMPTY, EMPTY)
        self.store.push(manifest.layers[0], BytesSource(envelope))
        self.store.push(manifest.descriptor, BytesSource(manifest.raw))
        return manifest

    def seals(self) -> list[tuple[Seal, Descriptor]]:
        """What is attached, read by us, with what it claims to be about."""
        found = []
        for entry in self.store.referrers(self.descriptor, ARTIFACT_TYPE):
            manifest = self.store.document(entry)
            assert isinstance(manifest, Manifest)
            assert is_signature(manifest)
            assert manifest.subject == self.descriptor
            layer = envelope_in(manifest)
            found.append(read(layer.media_type, self.store.read(layer)))
        return found


@contextmanager
def stamping(tsa: Tsa) -> Iterator[str]:
    """A time stamping service over HTTP (RFC 3161, section 3.4); its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reply = tsa.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
