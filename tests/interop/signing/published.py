"""Small models in real registries, keys, and cosign as it is asked about them."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import modelpack
from modelpack import Access, Digest, Packed, PrivateKey, PublicKey, Reference
from modelpack.oci import Descriptor
from modelpack.store import Rewriting, Store
from modelpack.trust import Circumstances, Signature, Target, gather
from tests.real.registries import Registry
from tests.real.tools import run

PASSWORD = "correct horse"
LAYOUTS = {"bundle": "--new-bundle-format=true", "tag": "--new-bundle-format=false"}
"""Our name for each of cosign's two layouts, and cosign's option for it."""

_OFFLINE = ("--use-signing-config=false", "--tlog-upload=false", "-y", "--allow-http-registry")


@dataclass(frozen=True, slots=True)
class Published:
    """A model that no other test has: some registries share what is attached among their repositories."""

    name: str
    packed: Packed

    @property
    def reference(self) -> str:
        return f"{self.name}:v1"

    @property
    def digest(self) -> Digest:
        return self.packed.digest

    @property
    def pinned(self) -> str:
        return f"{self.name}@{self.digest}"

    @property
    def descriptor(self) -> Descriptor:
        return self.packed.descriptor


Publish = Callable[[Registry], Published]


def write_model(folder: Path, text: str) -> None:
    """A model of four files, two of them in folders."""
    (folder / "onnx").mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).ljust(64).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "comment": text}))
    (folder / "onnx" / "größe.json").write_text("{}")
    (folder / "README.md").write_text(f"# {text}\n")


def publish(registry: Registry, folder: Path) -> Published:
    """Pack a model of its own and push it as ``v1``."""
    name = registry.repository("signed/tiny")
    write_model(folder / "files", f"{registry.kind} {name}")
    made = Published(name, modelpack.pack(folder / "files", name="tiny"))
    modelpack.push(made.packed, made.reference)
    return made


def opened(model: Published) -> Store:
    """The model's repository."""
    store = Access().open(model.name)
    assert isinstance(store, Rewriting)
    return store


def signatures(reference: str) -> tuple[Signature, ...]:
    """Everything that is attached and a signature, by whomever."""
    where = Reference.parse(reference)
    with Access().open(where) as store:
        found = gather(store, Target(store.resolve(where.name)), (), Circumstances(datetime.now(UTC)))
    return found.signatures


@dataclass(frozen=True)
class Holder:
    """Somebody with a key, and the files of it that other tools read."""

    key: PrivateKey
    folder: Path

    @property
    def public(self) -> PublicKey:
        return self.key.public_key

    @cached_property
    def public_file(self) -> Path:
        return self._write("key.pub", self.public.pem)

    @cached_property
    def cosign_file(self) -> Path:
        """As ``cosign sign --key`` takes it."""
        return self._write("cosign.key", self.key.to_keyfile(PASSWORD.encode()))

    @cached_property
    def pem_file(self) -> Path:
        """PKCS#8, not encrypted."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._write("key.pem", self.key._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def _write(self, name: str, data: bytes) -> Path:
        (self.folder / name).write_bytes(data)
        return self.folder / name


@dataclass(frozen=True, slots=True)
class Cosign:
    """cosign with a home folder of its own, without a transparency log and without a network but the registry."""

    home: Path

    @property
    def _env(self) -> dict[str, str]:
        return {"HOME": str(self.home), "COSIGN_PASSWORD": PASSWORD, "PATH": os.environ.get("PATH", os.defpath)}

    def run(self, *arguments: str | Path) -> str:
        """A command that must succeed; what it printed."""
        return run("cosign", *arguments, env=self._env, cwd=self.home).stdout

    def sign(self, key: Path, reference: str, layout: str, *more: str) -> None:
        self.run("sign", "--key", key, *_OFFLINE, LAYOUTS[layout], *more, reference)

    def attest(self, key: Path, reference: str, layout: str, kind: str, predicate: Path) -> None:
        options = ("--type", kind, "--predicate", predicate)
        self.run("attest", "--key", key, *_OFFLINE, LAYOUTS[layout], *options, reference)

    def refusal(self, key: Path, reference: str, layout: str, *more: str, command: str = "verify") -> str:
        """Why cosign refuses a signature; empty if it accepts it, which it has to say of the right digest."""
        options = ("--key", key, "--insecure-ignore-tlog=true", "--allow-http-registry", LAYOUTS[layout])
        done = run("cosign", command, *options, *more, reference, env=self._env, cwd=self.home, check=False)
        assert "dial tcp" not in done.stderr  # that would be no opinion
        if not done.returncode:
            assert done.stdout.strip(), "cosign accepts, and says nothing of what"
            return ""
        return done.stderr.strip() or f"exit status {done.returncode}"
