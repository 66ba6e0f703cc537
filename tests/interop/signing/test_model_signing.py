"""OpenSSF Model Signing: the reference implementation verifies what we write, and we what it writes."""

from __future__ import annotations

import base64
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import modelpack
from modelpack import InsecureAcceptAnything, SignedBy
from modelpack.errors import BadSignature, DocumentError, UntrustedIdentity
from modelpack.oci import JSON
from modelpack.trust import Statement, model_signature
from modelpack.trust.oms import FileList
from tests.interop.signing.published import Holder, Publish, write_model
from tests.real.registries import Registry

SHARDS = """
import sys
from model_signing import hashing, signing
model, signature, key = sys.argv[1:]
how = hashing.Config().use_shard_serialization(shard_size=40)
signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(how).sign(model, signature)
"""


def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A process of its own: importing the package takes a second and warns."""
    if importlib.util.find_spec("model_signing") is None:
        pytest.skip("needs model-signing and pyOpenSSL (pip install -e '.[oracles]')")
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)


def refusal(folder: Path, signature: Path, who: Holder) -> str:
    """Why ``model_signing verify key`` refuses a folder; empty if it accepts it."""
    options = ("--signature", signature, "--public_key", who.public_file)
    done = python("-m", "model_signing", "verify", "key", *options, folder)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}"


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ecdsa-p384"])
def test_it_accepts_what_pull_writes(
    kind: str, own_registry: Registry, publish: Publish, holder: Callable[[str], Holder], tmp_path: Path
) -> None:
    model, signer = publish(own_registry), holder(kind)
    modelpack.sign(model.reference, signer.key)
    folder = tmp_path / "model"
    modelpack.pull(model.reference, folder, policy=SignedBy(signer.public))
    assert refusal(folder, folder / "model.sig", signer) == ""
    _append(folder / "config.json")
    assert refusal(folder, folder / "model.sig", signer)
    with pytest.raises(BadSignature, match=r"config\.json"):
        modelpack.verify_files(folder, folder / "model.sig", policy=SignedBy(signer.public))


def test_the_wrong_key_for_ours(
    own_registry: Registry, publish: Publish, owner: Holder, stranger: Holder, tmp_path: Path
) -> None:
    model = publish(own_registry)
    modelpack.sign(model.reference, owner.key)
    modelpack.pull(model.reference, tmp_path / "model", policy=SignedBy(owner.public))
    signature = tmp_path / "model" / "model.sig"
    assert refusal(tmp_path / "model", signature, stranger)
    with pytest.raises(UntrustedIdentity):
        modelpack.verify_files(tmp_path / "model", signature, policy=SignedBy(stranger.public))


def test_it_accepts_what_is_made_of_digests_alone(
    own_registry: Registry, publish: Publish, owner: Holder, tmp_path: Path
) -> None:
    model = publish(own_registry)
    modelpack.pull(model.reference, tmp_path / "model", policy=InsecureAcceptAnything())
    (tmp_path / "our.sig").write_bytes(model_signature(model.packed.files, owner.key, "tiny"))
    assert refusal(tmp_path / "model", tmp_path / "our.sig", owner) == ""


@pytest.fixture(scope="module", params=["files", "shards"])
def theirs(request: pytest.FixtureRequest, owner: Holder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder ``model`` and a signature ``model.sig`` of theirs beside it."""
    folder = tmp_path_factory.mktemp("theirs")
    write_model(folder / "model", "signed by others")
    model, signature = folder / "model", folder / "model.sig"
    if request.param == "shards":
        done = python("-c", SHARDS, model, signature, owner.pem_file)
    else:
        options = ("--signature", signature, "--private_key", owner.pem_file)
        done = python("-m", "model_signing", "sign", "key", *options, model)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def files(theirs: Path, tmp_path: Path) -> Path:
    """A copy of their folder, to do harm to."""
    return Path(shutil.copytree(theirs / "model", tmp_path / "model"))


def test_we_accept_theirs(theirs: Path, owner: Holder, stranger: Holder) -> None:
    found = modelpack.verify_files(theirs / "model", theirs / "model.sig", policy=SignedBy(owner.public))
    assert [one.status for one in found.signatures] == ["verified"]
    with pytest.raises(UntrustedIdentity):
        modelpack.verify_files(theirs / "model", theirs / "model.sig", policy=SignedBy(stranger.public))


def _change(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "one byte changed": (_change, "is not what was signed"),
    "one byte more": (lambda folder: _append(folder / "config.json"), "config"),
    "a file too many": (lambda folder: (folder / "new.bin").write_bytes(b"new"), "is there but not signed"),
    "a file too few": (lambda folder: (folder / "README.md").unlink(), "is signed but missing"),
    "a file renamed": (lambda folder: (folder / "README.md").rename(folder / "README"), "README"),
    "two files exchanged": (
        lambda folder: (folder / "README.md").write_bytes((folder / "config.json").read_bytes()),
        "README",
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_harm_is_noticed(harm: str, theirs: Path, files: Path, owner: Holder) -> None:
    do, message = HARM[harm]
    do(files)
    with pytest.raises(BadSignature, match=message):
        modelpack.verify_files(files, theirs / "model.sig", policy=SignedBy(owner.public))


def test_a_file_too_many_can_be_allowed(theirs: Path, files: Path, owner: Holder) -> None:
    (files / "new.bin").write_bytes(b"new")
    modelpack.verify_files(files, theirs / "model.sig", policy=SignedBy(owner.public), ignore_unsigned=True)


def test_theirs_beside_its_files(theirs: Path, files: Path, owner: Holder) -> None:
    (files / "model.sig").write_bytes((theirs / "model.sig").read_bytes())
    modelpack.verify_files(files, files / "model.sig", policy=SignedBy(owner.public))


def test_an_altered_signature(theirs: Path, owner: Holder, tmp_path: Path) -> None:
    document = json.loads((theirs / "model.sig").read_bytes())
    payload = base64.b64decode(document["dsseEnvelope"]["payload"])
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload.replace(b"false", b"true ")).decode()
    (tmp_path / "model.sig").write_text(json.dumps(document))
    with pytest.raises(BadSignature, match="something was altered"):
        modelpack.verify_files(theirs / "model", tmp_path / "model.sig", policy=SignedBy(owner.public))
    assert refusal(theirs / "model", tmp_path / "model.sig", owner)


def test_both_make_the_same_list(own_registry: Registry, publish: Publish, owner: Holder, tmp_path: Path) -> None:
    """Subject and digests: computed there from the files, here from the manifest."""
    model = publish(own_registry)
    modelpack.pull(model.reference, tmp_path / "model", policy=InsecureAcceptAnything())
    (tmp_path / "model" / ".modelpack.json").unlink()
    options = ("--signature", tmp_path / "their.sig", "--private_key", owner.pem_file)
    done = python("-m", "model_signing", "sign", "key", *options, tmp_path / "model")
    assert done.returncode == 0, done.stderr
    (tmp_path / "our.sig").write_bytes(model_signature(model.packed.files, owner.key, "model"))
    said = []
    for name in ("their.sig", "our.sig"):
        envelope = json.loads((tmp_path / name).read_bytes())["dsseEnvelope"]
        statement = json.loads(base64.b64decode(envelope["payload"]))
        said.append((statement["subject"], statement["predicate"]["resources"], statement["predicateType"]))
    assert said[0] == said[1]


@pytest.mark.parametrize("size", [0, -40, 40.5, True, "40", None, 2.0**60, 1 << 60])
def test_sizes_of_shards_that_make_no_sense(size: JSON, theirs: Path) -> None:
    envelope = json.loads((theirs / "model.sig").read_bytes())["dsseEnvelope"]
    document = json.loads(base64.b64decode(envelope["payload"]))
    document["predicate"]["serialization"] |= {"method": "shards", "shard_size": size}
    with pytest.raises(DocumentError, match="shard_size"):
        FileList.from_statement(Statement.parse(json.dumps(document).encode()))
