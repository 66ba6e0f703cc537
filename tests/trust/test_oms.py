"""OpenSSF Model Signing: the list of files as bytes, what is refused in lists of others, and folders against a list."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelpack.errors import BadSignature, CannotVerify, DocumentError, InputError
from modelpack.oci import Digest
from modelpack.store import Event
from modelpack.trust import OMS, Statement
from modelpack.trust.oms import FileList, check_folder, folder, oms_hint
from tests.trust.making import changed, key

A, B = Digest.of(b"a"), Digest.of(b"bb")
FILES = {"b/two": B, "a": A}
ROOT = hashlib.sha256(bytes.fromhex(A.hex) + bytes.fromhex(B.hex)).hexdigest()
STATEMENT = (
    '{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"tiny","digest":{"sha256":"' + ROOT + '"}}],'
    '"predicateType":"https://model_signing/signature/v1.0","predicate":{"resources":['
    '{"name":"a","algorithm":"sha256","digest":"'
    + A.hex
    + '"},{"name":"b/two","algorithm":"sha256","digest":"'
    + B.hex
    + '"}],'
    '"serialization":{"method":"files","hash_type":"sha256","allow_symlinks":false,'
    '"ignore_paths":[".git",".gitattributes",".github",".gitignore",".modelpack.json"]}}}'
).encode()


def test_the_statement() -> None:
    listed = FileList.of_files(FILES)
    assert listed.to_statement("tiny").raw == STATEMENT
    assert FileList.from_statement(Statement.parse(STATEMENT)) == listed
    assert str(listed.root) == f"sha256:{ROOT}"


def test_the_order_is_that_of_code_points() -> None:
    names = ["é", "z", "Z", "a/b", "a.b", "a", "😀", "\uffff"]
    listed = FileList.of_files({name: Digest.of(name.encode()) for name in names})
    written = json.loads(listed.to_statement("x").raw)["predicate"]["resources"]
    assert [entry["name"] for entry in written] == ["Z", "a", "a.b", "a/b", "z", "é", "\uffff", "😀"]


def test_the_hint_is_not_sigstore_s() -> None:
    assert oms_hint(key().public_key) == hashlib.sha256(key().public_key.pem).hexdigest() != key().public_key.hint


@pytest.mark.parametrize("files", [{}, {"a": Digest("sha512", "00" * 64)}])
def test_files_that_cannot_be_listed(files: dict[str, Digest]) -> None:
    with pytest.raises(InputError, match="SHA-256 of at least one file"):
        FileList.of_files(files)


def parse(change: Callable[[dict[str, Any]], object], *, rooted: bool = True) -> FileList:
    """Read a changed statement whose root fits the changed list, where it has one."""

    def changing(document: dict[str, Any]) -> None:
        change(document)
        if rooted:
            entries = sorted(document["predicate"]["resources"], key=lambda entry: str(entry["name"]))
            raw = b"".join(bytes.fromhex(entry["digest"]) for entry in entries)
            document["subject"][0]["digest"]["sha256"] = hashlib.sha256(raw).hexdigest()

    return FileList.from_statement(Statement.parse(changed(STATEMENT, changing)))


def named(name: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["predicate"]["resources"][0].update(name=name)


def how(**members: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["predicate"]["serialization"].update(members)


def resource(**members: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["predicate"]["resources"][0].update(members)


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/../b", "./a", "a//b", "a/", "", ".", "..", "a\\b", "a\x00", "C:/a", "a\n"]
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(DocumentError, match="name"):
        parse(named(name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(predicateType="https://model_signing/Digests/v0.1"), "not the signature of a model"),
        (lambda d: d.update(subject=d["subject"] * 2), "not the signature of a model"),
        (named("b/two"), "stands twice"),
        (how(method="shardings"), "files or shards"),
        (how(method=5), "a string"),
        (how(hash_type=None), "a string"),
        (how(ignore_paths=[1]), "a string"),
        (how(allow_symlinks="no"), "true or false"),
        (resource(algorithm="blake2b"), "sha256 is required"),
        (resource(digest="00"), "32 bytes in small hexadecimal"),
        (resource(digest=A.hex.upper()), "32 bytes in small hexadecimal"),
        (resource(digest=A.hex[:-1] + " "), "32 bytes in small hexadecimal"),
        (lambda d: d["predicate"].update(resources=[]), "its digest is not that of the list"),
        (lambda d: d["predicate"]["resources"].pop(), "its digest is not that of the list"),
        (lambda d: d["subject"][0].update(digest={"sha512": "0"}), "its digest is not that of the list"),
        (lambda d: d["predicate"].pop("serialization"), "a string"),
        (how(method="shards"), "shard_size"),
        (how(method="shards", shard_size=0), "shard_size"),
        (how(method="shards", shard_size=-1), "shard_size"),
        (how(method="shards", shard_size=1.5), "shard_size"),
        (how(method="shards", shard_size=True), "shard_size"),
        (how(method="shards", shard_size=1e300), "shard_size"),
        (how(method="shards", shard_size=1 << 60), "shard_size"),
        (how(method="shards", shard_size=10), "path:start:end"),
    ],
)
def test_statements_that_are_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        parse(change, rooted=False)


def test_hashes_that_are_not_built_in() -> None:
    with pytest.raises(CannotVerify, match="blake3"):
        parse(how(hash_type="blake3"), rooted=False)


def test_more_files_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.trust.oms.statement._MAX_RESOURCES", 1)
    with pytest.raises(DocumentError, match="more than the 1 allowed"):
        FileList.from_statement(Statement.parse(STATEMENT))


@pytest.mark.parametrize("name", ["a:0:1", "with:colon:0:1"])
def test_names_of_shards(name: str) -> None:
    document = json.loads(STATEMENT)
    shard = {"name": name, "digest": A.hex}
    document["predicate"]["resources"] = [shard]
    document["predicate"]["serialization"].update(method="shards", shard_size=1000000000.0)
    document["subject"][0]["digest"]["sha256"] = hashlib.sha256(bytes.fromhex(A.hex)).hexdigest()
    assert FileList.from_statement(Statement.parse(json.dumps(document).encode())).shard == 1_000_000_000
    for wrong in ("a", "a:0", "a:0:x", "a:-1:2", ":0:1", "../a:0:1", f"a:0:{'9' * 20}", "a:\u0660:1"):
        shard["name"] = wrong
        with pytest.raises(DocumentError, match="name"):
            FileList.from_statement(Statement.parse(json.dumps(document).encode()))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with the files of ``FILES``."""
    (tmp_path / "model" / "b").mkdir(parents=True)
    (tmp_path / "model" / "a").write_bytes(b"a")
    (tmp_path / "model" / "b" / "two").write_bytes(b"bb")
    return tmp_path / "model"


LISTED = FileList.of_files(FILES)


def test_a_folder_that_is_what_was_signed(model: Path) -> None:
    events: list[Event] = []
    assert check_folder(model, LISTED, observe=events.append) == 2
    assert [event.total for event in events if event.action == "plan"] == [3]
    assert sum(event.count for event in events if event.action == "bytes") == 3


def test_what_a_signature_does_not_speak_of(model: Path) -> None:
    for name in (".git", ".github"):
        (model / name).mkdir()
        (model / name / "x").write_bytes(b"x")
    for name in (".gitignore", ".gitattributes", ".modelpack.json", "model.sig"):
        (model / name).write_bytes(b"x")
    assert check_folder(model, LISTED, besides=model / "model.sig") == 2
    assert check_folder(model, LISTED, besides=model.parent / "elsewhere", ignore_unsigned=True) == 2
    with pytest.raises(BadSignature, match=r"'model\.sig' is there but not signed"):
        check_folder(model, LISTED, besides=model.parent / "elsewhere")
    (model / "b" / ".gitignore").write_bytes(b"")  # only at the top are they git's
    with pytest.raises(BadSignature, match=r"'b/\.gitignore' is there but not signed"):
        check_folder(model, LISTED, besides=model / "model.sig")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: (model / "a").write_bytes(b"x"), "'a' is not what was signed"),
        (lambda model: (model / "a").write_bytes(b"aa"), "'a' is not what was signed"),
        (lambda model: (model / "a").write_bytes(b""), "'a' is not what was signed"),
        (lambda model: (model / "a").unlink(), "'a' is signed but missing"),
        (lambda model: (model / "new").write_bytes(b""), "'new' is there but not signed"),
        (lambda model: (model / "a").rename(model / "A"), "'a' is signed but missing; 'A' is there"),
        (lambda model: [(model / f"n{n}").touch() for n in range(12)], "'n7' is there but not signed, and 2 more"),
        (lambda model: (model / "b" / os.fsdecode(b"\xff")).touch(), r"'b/\\udcff' is there"),
    ],
)
def test_a_folder_that_is_not(model: Path, change: Callable[[Path], object], message: str) -> None:
    change(model)
    with pytest.raises(BadSignature, match=message):
        check_folder(model, LISTED)


def sharded() -> FileList:
    """The files in pieces of one byte."""
    pieces = {"a:0:1": b"a", "b/two:0:1": b"b", "b/two:1:2": b"b"}
    return FileList({name: hashlib.sha256(data).digest() for name, data in pieces.items()}, shard=1)


def test_shards(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_folder(model, sharded()) == 2
    assert check_folder(model, sharded(), ignore_unsigned=True) == 2
    (model / "b" / "two").write_bytes(b"bc")
    with pytest.raises(BadSignature, match="'b/two:1:2' is not what was signed"):
        check_folder(model, sharded())
    (model / "b" / "two").write_bytes(b"bb")
    (model / "empty").touch()  # has no shard: the specification leaves empty files out
    assert check_folder(model, sharded()) == 3
    monkeypatch.setattr(folder, "_MAX_FILES", 2)
    (model / "empty").unlink()
    with pytest.raises(BadSignature, match="more than 1 pieces of 1 bytes"):
        check_folder(model, sharded())


def test_another_hash(model: Path) -> None:
    digests = {name: hashlib.blake2b(data).digest() for name, data in (("a", b"a"), ("b/two", b"bb"))}
    assert check_folder(model, FileList(digests, algorithm="blake2b")) == 2


def test_links(model: Path) -> None:
    (model / "link").symlink_to("a")
    with pytest.raises(InputError, match="link is a symbolic link"):
        check_folder(model, LISTED)
    listed = FileList({**LISTED.digests, "link": bytes.fromhex(A.hex)}, links=True)
    assert check_folder(model, listed) == 3
    (model / "link").unlink()
    (model / "link").symlink_to("b")
    with pytest.raises(InputError, match="link is not a regular file"):
        check_folder(model, listed)
    (model / "link").unlink()
    (model / "link").symlink_to("gone")
    with pytest.raises(InputError, match="link cannot be read: No such file"):
        check_folder(model, listed)


def test_what_is_no_file(model: Path) -> None:
    os.mkfifo(model / "pipe")
    with pytest.raises(InputError, match="pipe is not a regular file"):
        check_folder(model, LISTED)
    with pytest.raises(InputError, match="cannot be read"):
        check_folder(model / "a", LISTED)
    with pytest.raises(InputError, match="cannot be read"):
        check_folder(model / "absent", LISTED)


def test_more_files_than_are_looked_at(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_MAX_FILES", 1)
    with pytest.raises(InputError, match="more than 1 files"):
        check_folder(model, LISTED)


@pytest.mark.parametrize("data", [b"", b"aa"])
def test_a_file_that_changes_meanwhile(model: Path, data: bytes) -> None:
    def observe(event: Event) -> None:
        if event.action == "begin" and event.name == "a":
            (model / "a").write_bytes(data)

    with pytest.raises(BadSignature, match="changed while it was read"):
        check_folder(model, LISTED, observe=observe, jobs=1)


def test_a_file_that_goes_meanwhile(model: Path) -> None:
    def observe(event: Event) -> None:
        if event.action == "begin" and event.name == "a":
            (model / "a").unlink()

    with pytest.raises(InputError, match="cannot be read"):
        check_folder(model, LISTED, observe=observe, jobs=1)


def test_differences_are_sentences() -> None:
    other = replace(LISTED, digests={"a": b"x", "c": b"y"})
    assert LISTED.differences(other.digests) == (
        "'b/two' is signed but missing",
        "'c' is there but not signed",
        "'a' is not what was signed",
    )
    assert LISTED.differences(LISTED.digests) == ()
    assert OMS == "https://model_signing/signature/v1.0"
