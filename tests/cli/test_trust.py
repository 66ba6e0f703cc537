"""key, sign, verify, tree, and what pull and copy do when told whom to trust."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from modelpack import PrivateKey, PublicKey
from modelpack.trust import KINDS
from tests.cli.models import FILES, model
from tests.cli.program import Ran, modelpack, program

NOBODY = "nobody vouched for the model"


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPACK_KEY_PASSWORD", "s3cret")


@pytest.fixture
def key(home: Path) -> str:
    """A key pair in the working folder, ``signer.key`` and ``signer.pub``; its fingerprint, as tables have it."""
    fingerprint: str = modelpack("key", "generate", "-o", "signer", "-f", "json").done().json["fingerprint"]
    return fingerprint[:16]


@pytest.fixture
def signed(pushed: str, reference: str, key: str) -> str:
    """A signed model's digest."""
    return modelpack("sign", reference, "--key", "signer.key").done().last


def policy(text: str) -> Path:
    """A policy file beside the keys."""
    path = Path("policy.yaml")
    path.write_text(f"version: 1\nidentities:\n  release: {{key: {{file: signer.pub}}}}\nrules:\n{text}\n")
    return path


def test_generate(home: Path) -> None:
    ran = modelpack("key", "generate").done()
    assert ran.out == "modelpack.pub\n"
    assert "modelpack.key signs, modelpack.pub verifies" in ran.err
    private, public = Path("modelpack.key"), Path("modelpack.pub")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert b"ENCRYPTED SIGSTORE PRIVATE KEY" in private.read_bytes()
    loaded = PrivateKey.load(private.read_bytes(), lambda: b"s3cret")
    assert loaded.public_key == PublicKey.load(public.read_bytes())
    assert loaded.public_key.kind == "ecdsa-p256"


def test_generate_overwrites_nothing(key: str) -> None:
    before = Path("signer.key").read_bytes()
    modelpack("key", "generate", "-o", "signer").failed(2, "error: signer.key exists already", "--out")
    Path("signer.key").unlink()
    modelpack("key", "generate", "-o", "signer").failed(2, "error: signer.pub exists already")
    assert before


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(home: Path, kind: str) -> None:
    told = modelpack("key", "generate", "-o", "k", "--type", kind, "-f", "json").done().json
    shown = modelpack("key", "public", "k.key", "-f", "json").done().json
    assert (shown["kind"], shown["fingerprint"]) == (kind, told["fingerprint"])
    assert modelpack("key", "public", "k.key").done().out == Path("k.pub").read_text()
    assert modelpack("key", "public", "k.pub").done().out == Path("k.pub").read_text()


def test_import(home: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    raw = ec.generate_private_key(ec.SECP256R1())
    pem = raw.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    Path("ec.pem").write_bytes(pem)
    modelpack("key", "import", "ec.pem", "-o", "mine").done()
    assert PublicKey.load(Path("mine.pub").read_bytes()) == PublicKey.of(raw.public_key())


def test_passwords(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELPACK_KEY_PASSWORD")
    modelpack("key", "generate").failed(2, "no terminal to ask on", "COSIGN_PASSWORD")
    assert not Path("modelpack.key").exists()
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    assert "empty password" in modelpack("key", "generate").done().err
    Path("pw").write_text("from a file\n")
    modelpack("key", "generate", "-o", "two", "--password-file", "pw").done()
    PrivateKey.load(Path("two.key").read_bytes(), lambda: b"from a file")
    modelpack("key", "public", "two.key").failed(2, "the password for two.key is wrong")
    assert modelpack("key", "public", "two.key", "--password-file", "-", input="from a file").done()


def test_keys_from_elsewhere(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path("signer.key").read_text()
    monkeypatch.setenv("SIGNING_KEY", text)
    assert modelpack("key", "public", "env://SIGNING_KEY").done().out == Path("signer.pub").read_text()
    assert modelpack("key", "public", "-", input=text).done().out == Path("signer.pub").read_text()
    modelpack("key", "public", "env://NONE").failed(2, "the variable NONE is not set")
    modelpack("key", "public", "none.key").failed(2, "none.key cannot be read: No such file or directory")


def test_sign_says_what_it_wrote(pushed: str, reference: str, key: str) -> None:
    ran = modelpack("sign", reference, "--key", "signer.key").done()
    assert ran.out == f"{pushed}\n"
    assert [line.split()[0] for line in ran.err.splitlines()] == ["bundle", "tag", "oms"]
    again = modelpack("sign", reference, "--key", "signer.key").done()
    assert again.err.count("(was there)") == 3
    told = modelpack("sign", reference, "--key", "signer.key", "-f", "json").done().json
    assert told["digest"] == pushed
    assert told["existing"] == ["bundle", "oms", "tag"]


def test_sign_the_wrong_way(pushed: str, reference: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    modelpack("sign", reference, "--key", "signer.pub").failed(2, "signer.pub is not a private key")
    modelpack("sign", reference).failed(2, "say who signs", "--key signer.key, or --keyless")
    one = modelpack("sign", reference, "--key", "signer.key", "--signature-format", "pgp")
    one.failed(2, "'pgp' is not a signature format", "bundle, tag, oms, notary")
    modelpack("sign", reference, "--key", "signer.key", "-a", "x").failed(2, "--annotation takes KEY=VALUE, not 'x'")
    modelpack("sign", reference.replace("v1", "v2"), "--key", "signer.key").failed(5, "there is no v2 in")
    monkeypatch.setenv("MODELPACK_KEY_PASSWORD", "wrong")
    modelpack("sign", reference, "--key", "signer.key").failed(2, "the password for signer.key is wrong")
    assert modelpack("tree", reference, "-f", "json").done().json["attached"] == []


def test_verify(signed: str, reference: str, key: str) -> None:
    ran = modelpack("verify", reference, "--key", "signer.pub").done()
    assert ran.last == signed
    assert [line[:3] for line in ran.lines[1:-1]] == [
        ["verified", "signature", "bundle"],
        ["verified", "model", "bundle"],
        ["verified", "signature", "tag"],
    ]
    told = modelpack("verify", reference, "--key", "signer.pub", "-f", "json").done().json
    assert (told["verified"], told["digest"]) == (True, signed)
    assert {one["signers"][0]["key"][:16] for one in told["signatures"]} == {key}


def test_verify_what_is_not_signed(pushed: str, reference: str, key: str) -> None:
    modelpack("verify", reference, "--key", "signer.pub").failed(
        1, "is not signed: a signature by key", "modelpack sign"
    )


def test_verify_needs_somebody_to_trust(pushed: str, reference: str) -> None:
    modelpack("verify", reference).failed(2, "say whom to trust", "--key signer.pub or --policy")
    modelpack("verify", reference, "--insecure-skip-verify").failed(2, "say whom to trust")


def test_verify_with_the_wrong_key(signed: str, reference: str) -> None:
    modelpack("key", "generate", "-o", "other").done()
    ran = modelpack("verify", reference, "--key", "other.pub")
    assert ran.code == 1
    assert "signed, but not by anybody trusted" in ran.err
    assert [line[0] for line in ran.lines[1:]] == ["untrusted"] * 3
    told = modelpack("verify", reference, "--key", "other.pub", "-f", "json")
    assert (told.code, told.json["verified"]) == (1, False)
    modelpack("verify", reference, "--key", "other.pub", "--key", "signer.pub").done()
    modelpack("verify", reference, "--key", "signer.key").failed(2, "signer.key is a private key", "key public")


def test_verify_by_policy(signed: str, reference: str, registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = policy(f"- {{scope: '{registry}/ml/*', require: {{signed: {{by: release}}}}}}")
    modelpack("verify", reference, "--policy", path).done()
    monkeypatch.setenv("MODELPACK_POLICY", str(path))
    assert modelpack("verify", reference).done().last == signed
    modelpack("copy", reference, f"{registry}/other/x:v1").done()
    modelpack("verify", f"{registry}/other/x:v1").failed(1, f"has no rule for {registry}/other/x", "add a rule")
    # what is typed goes before what the environment says
    modelpack("verify", f"{registry}/other/x:v1", "--key", "signer.pub").done()
    ran = modelpack("verify", reference, "--key", "signer.pub", "--policy", "other.yaml")
    ran.failed(2, "--policy cannot be combined with --key")


def test_a_policy_that_says_something_wrong(signed: str, reference: str) -> None:
    path = policy("- {scope: '*', require: {signed: {by: relase}}}")
    ran = modelpack("verify", reference, "--policy", path)
    ran.failed(3, "policy.yaml: rules[0].require.signed.by: 'relase' is not among the identities")
    modelpack("verify", reference, "--policy", "none.yaml").failed(2, "none.yaml cannot be read")


def test_pull_what_is_vouched_for(signed: str, reference: str, key: str) -> None:
    ran = modelpack("pull", reference, "-o", "out", "--key", "signer.pub").done()
    assert NOBODY not in ran.err
    assert sorted(str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()) == sorted(
        [".modelpack.json", *FILES, "model.sig"]
    )
    told = modelpack("pull", reference, "-o", "two", "--key", "signer.pub", "-f", "json").done().json
    assert told["verified"]
    assert not modelpack("pull", reference, "-o", "three", "-f", "json").done().json["verified"]
    some = modelpack("pull", reference, "-o", "some", "--include", "*.json", "--key", "signer.pub", "-f", "json")
    assert "model.sig" not in some.done().json["files"]


def test_pull_nothing_that_is_not_vouched_for(pushed: str, reference: str, key: str) -> None:
    modelpack("pull", reference, "-o", "out", "--key", "signer.pub").failed(1, "is not signed")
    modelpack("pull", reference, "--key", "signer.pub").failed(1, "is not signed")
    modelpack("copy", reference, "oci:layout:v1", "--key", "signer.pub").failed(1, "is not signed")
    assert not Path("out").exists()
    assert not Path("layout").exists()
    assert modelpack("ls").done().out.split() == ["NAME", "DIGEST", "SIZE"]
    ran = modelpack("pull", reference, "-o", "out", "--insecure-skip-verify").done()
    assert NOBODY in ran.err
    modelpack("pull", reference, "-o", "x", "--insecure-skip-verify", "--key", "signer.pub").failed(2, "contradict")


def test_a_policy_that_accepts_anything_does_not_vouch(pushed: str, reference: str, key: str) -> None:
    path = policy("- {scope: '*', require: {insecureAcceptAnything: true}}")
    assert NOBODY in modelpack("pull", reference, "-o", "out", "--policy", path).done().err


def test_a_pulled_folder_is_packed_to_the_same_digest(signed: str, reference: str) -> None:
    modelpack("pull", reference, "-o", "tiny", "--key", "signer.pub").done()
    ran = modelpack("pack", "tiny", "-t", "registry.example/ml/tiny:v1").done()
    assert ran.last == signed
    assert "left out model.sig: a signature of the files" in ran.err


def test_files_on_disk(signed: str, reference: str) -> None:
    modelpack("pull", reference, "-o", "out", "--key", "signer.pub").done()
    verify = ("verify", "out", "--bundle", "out/model.sig", "--key", "signer.pub")
    assert modelpack(*verify).done().last == "out"
    Path("out/note.txt").write_text("x")
    modelpack(*verify).failed(1, "'note.txt' is there but not signed")
    modelpack(*verify, "--ignore-unsigned").done()
    Path("out/config.json").write_text("{}")
    modelpack(*verify, "--ignore-unsigned").failed(1, "'config.json' is not what was signed")
    Path("out/config.json").unlink()
    modelpack(*verify, "--ignore-unsigned").failed(1, "'config.json' is signed but missing")
    modelpack("verify", "out", "--bundle", "out/README.md", "--key", "signer.pub").failed(3, "bundle: not JSON")
    modelpack("verify", "out", "--bundle", "none", "--key", "signer.pub").failed(2, "none cannot be read")
    path = policy("- {scope: '*', require: {signed: {by: release}}}")
    ran = modelpack("verify", "out", "--bundle", "out/model.sig", "--policy", path)
    ran.failed(2, "a policy file speaks of repositories")


def test_tree(signed: str, reference: str, key: str) -> None:
    ran = modelpack("tree", reference, "--key", "signer.pub").done()
    assert "model signature (OpenSSF)" in ran.out
    assert "cosign signature" in ran.out
    assert "cosign tag .sig" in ran.out
    assert ran.out.count(f"key {key}:") == 3
    assert ran.err == "3 attachments\n"
    bare = modelpack("tree", reference).done()
    assert "nothing was verified" in bare.err
    assert "verified" not in bare.out
    told = modelpack("tree", reference, "-f", "json").done().json
    assert {one["status"] for branch in told["attached"] for one in branch["signatures"]} == {"unchecked"}
    assert json.dumps(told)


def test_signatures_follow(signed: str, reference: str, registry: str) -> None:
    ran = modelpack("copy", reference, "oci:layout:v1").done()
    assert "3 attachments came along" in ran.err
    assert modelpack("verify", "oci:layout:v1", "--key", "signer.pub").done().last == signed
    assert modelpack("verify", "oci:layout", "--key", "signer.pub").done().last == signed
    assert modelpack("ls", "oci:layout").done().lines[1:] == [
        ["v1", signed[:19], *modelpack("ls", "oci:layout").lines[1][2:]]
    ]
    modelpack("copy", reference, "oci:alone:v1", "--no-attachments").done()
    modelpack("verify", "oci:alone:v1", "--key", "signer.pub").failed(1, "is not signed")


def test_sign_in_the_local_store(packed: Ran, reference: str, key: str) -> None:
    modelpack("sign", reference, "--local", "--key", "signer.key").done()
    assert modelpack("verify", reference, "--local", "--key", "signer.pub").done().last == packed.last
    assert len(modelpack("ls").done().lines) == 2
    assert "3 attachments came along" in modelpack("push", reference).done().err
    assert modelpack("verify", reference, "--key", "signer.pub").done().last == packed.last
    assert modelpack("tree", reference, "--local").done().err == "3 attachments; nothing was verified\n"


def test_pruning_keeps_signatures_with_their_model(packed: Ran, reference: str, key: str) -> None:
    modelpack("sign", reference, "--local", "--key", "signer.key").done()
    modelpack("prune", "--grace", "0").done()
    modelpack("verify", reference, "--local", "--key", "signer.pub").done()
    modelpack("rm", reference).done()
    assert "0 files" not in modelpack("prune", "--grace", "0").done().err
    assert modelpack("tree", reference, "--local").code == 5


def test_an_older_model_of_the_same_name(signed: str, reference: str, tmp_path: Path) -> None:
    """The tag moved to what nobody signed: what is refused is the new model, and the folder stays as it is."""
    modelpack("pull", reference, "-o", "out", "--key", "signer.pub").done()
    before = Path("out/model.safetensors").read_bytes()
    modelpack("pack", model(tmp_path / "evil", fill=b"\x00"), "-t", reference, "--push").done()
    modelpack("pull", reference, "-o", "out", "--key", "signer.pub").failed(1, "is not signed")
    assert Path("out/model.safetensors").read_bytes() == before
    host = reference.rpartition(":")[0]
    modelpack("pull", f"{host}@{signed}", "-o", "out", "--key", "signer.pub").done()


def test_as_a_program(signed: str, reference: str) -> None:
    """Exit codes and streams of the real thing, without a terminal."""
    assert program("verify", reference, "--key", "signer.pub").done().last == signed
    modelpack("key", "generate", "-o", "other").done()
    ran = program("verify", reference, "--key", "other.pub")
    assert (ran.code, "Traceback" in ran.err) == (1, False)
