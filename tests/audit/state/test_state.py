"""The state file: records come back as they were, and no crash, second process or foreign file does harm."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelpack.audit.facts import (
    Ancestor,
    Artifact,
    BlobProblem,
    BlobState,
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
from modelpack.audit.findings import Finding, Severity, Subject
from modelpack.audit.state import State, StoredEstate
from modelpack.audit.state.codec import pack, unpack
from modelpack.audit.state.database import sqlite_errors, transaction
from modelpack.errors import DocumentError, InputError, NoSpace, StoreError, Unavailable
from modelpack.oci import Descriptor, Digest

PLACE = "registry.example/ml/minilm"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(text: str) -> Digest:
    return Digest.of(text.encode())


def descriptor(text: str) -> Descriptor:
    return Descriptor(MANIFEST, digest(text), 10)


def full() -> Artifact:
    """An artifact with something in every field."""
    when = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    return Artifact(
        Subject(PLACE, digest("m")),
        Sort.MODEL,
        media_type=MANIFEST,
        artifact_type="a",
        size=7,
        refers_to=digest("r"),
        annotations={"a": "ü"},
        layers=(Layer(digest("l"), 3, "t", "p", "weight", "raw", digest("l")),),
        members=(digest("x"),),
        stated=Stated(name="n", licenses=("MIT",), created=when),
        weights=Weights(("gguf",), 5, {"F16": 5}, "q4", 1, 2),
        licenses=("MIT",),
        family="bert",
        format_problems=(Problem("c", "p", "m"),),
        blobs=(BlobProblem(digest("l"), BlobState.SIZE, "2"),),
        signatures=(
            SignatureFact(digest("s"), "signature", "bundle", "verified", Cause.EXPIRED, signers=("k",), time=when),
        ),
        documents=(
            Document(
                digest("d"), "t", "sbom", signed=True, subject_matches=None, contradictions=(Problem("XC20", "", "m"),)
            ),
        ),
        ancestors=(Ancestor("base-model", "org/base", "u", "c" * 40, digest("b"), "finetune", ("MIT",), "README.md"),),
        attachments=2,
        orphan=True,
        created=when,
        unchecked=(Unchecked("headers", "no ranges", ("MP060",)),),
        extra={"k": [1, {"x": None}]},
    )


def test_an_artifact_comes_back_as_it_was() -> None:
    assert unpack(Artifact, pack(full())) == full()
    bare = Artifact(Subject(PLACE, digest("m")), Sort.BROKEN)
    assert unpack(Artifact, pack(bare)) == bare
    assert len(pack(bare)) < 200  # what has its default costs nothing


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"subject":{"place":1},"sort":"model"}', '{"subject":{"place":"a"},"sort":"nonsense"}', "[" * 100_000,
     '{"subject":{"place":"a"},"sort":"model","size":true}', '{"subject":{"place":"a"},"sort":"model","later":1}'],
)  # fmt: skip
def test_a_record_that_does_not_fit_is_told(text: str) -> None:
    with pytest.raises(DocumentError, match="not readable"):
        unpack(Artifact, text)


def test_tags_that_move_and_vanish_are_remembered(tmp_path: Path) -> None:
    with State(tmp_path / "state.db") as state:
        assert not state.begin("f", 100.0, resume=True)
        state.list_place(PLACE, {"v1": descriptor("1"), "v2": descriptor("2")}, 100.0)
        for text in "12":
            keep(state, text, 100.0)
        first = state.artifact(PLACE, digest("1"))
        assert first is not None
        assert (first.subject.tags, first.before.first_seen, first.before.moved_tags) == (("v1",), None, ())
        state.finish(101.0, "")
    with State(tmp_path / "state.db") as state:
        assert not state.begin("f", 200.0, resume=True)
        assert not state.is_listed(PLACE)
        state.list_place(PLACE, {"v1": descriptor("2")}, 200.0)
        assert state.is_listed(PLACE)
        assert state.unreached(PLACE) == [digest("1")]
        state.touch(PLACE, digest("2"), 200.0)
        state.lose(PLACE, digest("1"))
        (found,) = state.artifacts()
        assert (found.subject.tags, found.before.moved_tags) == (("v1",), (("v1", digest("1")),))
        assert found.before.first_seen == found.before.last_seen == datetime.fromtimestamp(100, UTC)
        estate = StoredEstate(state)
        assert list(estate.vanished()) == [
            (Subject(PLACE, digest("2"), ("v2",)), "tag"),
            (Subject(PLACE, digest("1")), "digest"),
        ]
        state.finish(201.0, "")
    with State(tmp_path / "state.db") as state:  # told once
        state.begin("f", 300.0, resume=True)
        state.list_place(PLACE, {"v1": descriptor("2")}, 300.0)
        state.touch(PLACE, digest("2"), 300.0)
        assert list(StoredEstate(state).vanished()) == []
        (found,) = state.artifacts()
        assert found.before.moved_tags == ()


def keep(state: State, text: str, now: float, **facts: object) -> None:
    artifact = Artifact(Subject(PLACE, digest(text)), Sort.MODEL, **facts)  # type: ignore[arg-type]  # fields of it
    state.keep(artifact, parent="", fingerprint="", collected=now, judged=now)


def signature(carrier: str, signer: str = "alice", status: str = "verified") -> SignatureFact:
    return SignatureFact(digest(carrier), "signature", "bundle", status, signers=(signer,))


def test_a_signature_that_has_vanished_is_told_once() -> None:
    with State() as state:
        state.begin("f", 1.0, resume=True)
        keep(state, "1", 1.0, signatures=(signature("a"), signature("b", "bob")))
        state.begin("f", 2.0, resume=False)
        keep(state, "1", 2.0, signatures=(signature("b", "bob"),))
        found = state.artifact(PLACE, digest("1"))
        assert found is not None
        assert found.before.lost_signatures == ("alice",)
        state.begin("f", 3.0, resume=False)
        keep(state, "1", 3.0, signatures=(signature("b", "bob"),))
        found = state.artifact(PLACE, digest("1"))
        assert found is not None
        assert found.before.lost_signatures == ()


def test_a_signature_that_is_there_but_not_trusted_any_more_has_not_vanished() -> None:
    with State() as state:
        state.begin("f", 1.0, resume=True)
        keep(state, "1", 1.0, signatures=(signature("a"),))
        state.begin("f", 2.0, resume=False)
        keep(state, "1", 2.0, signatures=(signature("a", status="untrusted"),))
        found = state.artifact(PLACE, digest("1"))
        assert found is not None
        assert found.before.lost_signatures == ()


def test_what_is_asked_across_artifacts() -> None:
    with State() as state:
        state.begin("f", 1.0, resume=True)
        base = Ancestor("base-model", "org/base", commit="c" * 40, digest=digest("0"))
        state.list_place(PLACE, {"v1": descriptor("1")}, 1.0)
        same = digest("content")
        keep(state, "1", 1.0, ancestors=(base,), layers=(Layer(digest("raw"), 3, "t", "a", file_digest=same),))
        keep(state, "2", 1.0, ancestors=(Ancestor("base-model", "x", digest=digest("1")),),
             layers=(Layer(digest("tar"), 9, "t", "b", file_digest=same),))  # fmt: skip
        estate = StoredEstate(state)
        first, second = Subject(PLACE, digest("1"), ("v1",)), Subject(PLACE, digest("2"))
        for name in (digest("0"), "c" * 40, "org/base"):
            derived = list(estate.derived(name))
            assert [subject for subject, _ in derived] == [first, second]
            assert [one.name for one in derived[1][1]] == ["org/base", "x"]
        assert list(estate.derived("nobody")) == []
        assert estate.known(digest("1")) == (first,)
        ((content, found),) = estate.duplicates()
        assert content == same
        assert found == ((first, "a", digest("raw"), 3), (second, "b", digest("tar"), 9))
        assert estate.artifact(PLACE, digest("3")) is None
        assert [one.subject for one in estate.artifacts()] == sorted([first, second], key=lambda one: str(one.digest))


def test_findings_can_be_gone_through_again() -> None:
    found = Finding("MP010", Severity.HIGH, Subject(PLACE, digest("1"), ("v1",)), "m", data={"a": 1}, unchecked=True)
    with State() as state:
        state.begin("f", 1.0, resume=True)
        state.add(found)
        assert list(state.findings()) == list(state.findings()) == [found]


def test_an_audit_that_was_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with State(path) as state:
        state.begin("f", 1.0, resume=True)
        state.list_place(PLACE, {}, 1.0)
    for fingerprint, now, resume, resumed in (
        ("f", 2.0, True, True),
        ("g", 3.0, True, False),  # another audit
        ("g", 4.0, False, False),
        ("g", 4.0 + 86400, True, False),  # too long ago
    ):
        with State(path) as state:
            assert state.begin(fingerprint, now, resume=resume) == resumed
            assert state.is_listed(PLACE) == resumed


def test_one_audit_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with State(path) as state:
        state.begin("f", 1.0, resume=True)
        with pytest.raises(Unavailable, match="another audit is using"):
            State(path)
        with State(path, reading=True) as reader:  # whoever only reads need not wait
            reader.resume_last()
            assert reader.run == 1
    State(path).close()


def test_a_killed_audit_leaves_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    program = f"""
import os, signal, time
from pathlib import Path
from modelpack.audit.state import State
state = State(Path({str(path)!r}))
state.begin("f", time.time(), resume=True)
state.note("kept", "yes")
state.commit()
state.note("kept", "no")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, env={**os.environ})
    assert done.returncode == -signal.SIGKILL
    with State(path) as state:
        assert state.fact("kept") == "yes"
        assert state.fact("other") == ""


def test_files_that_are_no_state_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"hello, this is no database at all" * 100)
    with pytest.raises(DocumentError, match="not a state file"):
        State(text)
    foreign = tmp_path / "foreign"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    with pytest.raises(DocumentError, match="another program"):
        State(foreign)
    newer = tmp_path / "newer"
    State(newer).close()
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(DocumentError, match="newer version"):
        State(newer)
    with pytest.raises(InputError, match="cannot be used"):
        State(tmp_path)
    with pytest.raises(StoreError, match="cannot be opened"):
        State(tmp_path / "no" / "such")
    State(newer.with_name("fine")).close()  # and the lock of what was refused is free


def test_a_damaged_state_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with State(path) as state:
        state.begin("f", 1.0, resume=True)
        for number in range(500):
            keep(state, str(number), 1.0)
    data = bytearray(path.read_bytes())
    data[8192 : len(data) - 4096] = os.urandom(len(data) - 12288)
    path.write_bytes(data)
    with pytest.raises(DocumentError, match="damaged"):
        read_all(path)


def read_all(path: Path) -> None:
    with State(path) as state:
        state.begin("f", 2.0, resume=True)
        list(state.artifacts())


def test_errors_of_the_database_are_ours(tmp_path: Path) -> None:
    for message, kind in (("database or disk is full", NoSpace), ("database is locked", Unavailable)):
        with pytest.raises(kind), sqlite_errors(tmp_path):
            raise sqlite3.OperationalError(message)
    with pytest.raises(DocumentError, match="the temporary state"), sqlite_errors(None):
        raise sqlite3.DatabaseError("x")
    database = sqlite3.connect("", isolation_level=None)
    database.execute("CREATE TABLE t (x)")
    with pytest.raises(KeyError), transaction(database):
        insert(database)
    assert database.execute("SELECT count(*) FROM t").fetchone() == (0,)
    database.close()


def insert(database: sqlite3.Connection) -> None:
    database.execute("INSERT INTO t VALUES (1)")
    raise KeyError
