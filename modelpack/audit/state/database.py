"""The state file: an SQLite database that one audit at a time writes.

A crash at any moment leaves the last committed state (write-ahead log). Who writes holds a lock on a file beside it, which the
system releases when the process ends, however it ends; readers need none.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from modelpack.errors import DocumentError, InputError, NoSpace, StoreError, Unavailable

APPLICATION = 0x4D504155
"""``MPAU`` in the file's header (SQLite, "Application ID"): how a foreign database is told."""

VERSION = 1
"""Of the schema. A file of an older version is begun anew by who may lose it; one of a newer version is refused."""

_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, started REAL NOT NULL, finished REAL, summary TEXT
);
CREATE TABLE repositories (
    place TEXT PRIMARY KEY, run INTEGER NOT NULL, listed REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE tags (
    place TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    first_seen REAL NOT NULL, last_seen REAL NOT NULL, run INTEGER NOT NULL,
    previous TEXT NOT NULL DEFAULT '', moved INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (place, tag)
) WITHOUT ROWID;
CREATE INDEX tags_digest ON tags (digest);
CREATE TABLE artifacts (
    place TEXT NOT NULL, digest TEXT NOT NULL, parent TEXT NOT NULL, fingerprint TEXT NOT NULL,
    collected REAL NOT NULL, judged REAL NOT NULL, first_seen REAL NOT NULL, last_seen REAL NOT NULL,
    previous REAL, run INTEGER NOT NULL, fresh_run INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0,
    lost TEXT NOT NULL DEFAULT '', lost_run INTEGER NOT NULL DEFAULT 0, facts TEXT NOT NULL,
    PRIMARY KEY (place, digest)
) WITHOUT ROWID;
CREATE INDEX artifacts_digest ON artifacts (digest);
CREATE INDEX artifacts_parent ON artifacts (place, parent);
CREATE INDEX artifacts_run ON artifacts (run, place, digest);
CREATE TABLE signers (
    place TEXT NOT NULL, digest TEXT NOT NULL, carrier TEXT NOT NULL, signer TEXT NOT NULL, last_seen REAL NOT NULL,
    PRIMARY KEY (place, digest, carrier, signer)
) WITHOUT ROWID;
CREATE TABLE ancestors (
    place TEXT NOT NULL, digest TEXT NOT NULL, number INTEGER NOT NULL, role TEXT NOT NULL, name TEXT NOT NULL,
    uri TEXT NOT NULL, "commit" TEXT NOT NULL, ancestor TEXT NOT NULL, relation TEXT NOT NULL, source TEXT NOT NULL,
    PRIMARY KEY (place, digest, number)
) WITHOUT ROWID;
CREATE INDEX ancestors_ancestor ON ancestors (ancestor);
CREATE INDEX ancestors_commit ON ancestors ("commit");
CREATE INDEX ancestors_name ON ancestors (name COLLATE NOCASE);
CREATE INDEX ancestors_uri ON ancestors (uri COLLATE NOCASE);
CREATE INDEX ancestors_loose ON ancestors (uri) WHERE ancestor = '' AND "commit" = '';
CREATE TABLE members (
    place TEXT NOT NULL, member TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (place, member, digest)
) WITHOUT ROWID;
CREATE INDEX members_digest ON members (place, digest);
CREATE TABLE files (
    content TEXT NOT NULL, layer TEXT NOT NULL, place TEXT NOT NULL, digest TEXT NOT NULL, path TEXT NOT NULL,
    size INTEGER NOT NULL, PRIMARY KEY (content, layer, place, digest, path)
) WITHOUT ROWID;
CREATE INDEX files_digest ON files (place, digest);
CREATE TABLE blobs (
    place TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, media_type TEXT NOT NULL,
    checked REAL NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (place, digest)
) WITHOUT ROWID;
CREATE INDEX blobs_problem ON blobs (problem) WHERE problem <> '';
CREATE TABLE uses (
    place TEXT NOT NULL, digest TEXT NOT NULL, blob TEXT NOT NULL, PRIMARY KEY (place, digest, blob)
) WITHOUT ROWID;
CREATE INDEX uses_blob ON uses (place, blob);
CREATE INDEX blobs_checked ON blobs (checked, place, digest);
CREATE TABLE findings (number INTEGER PRIMARY KEY, run INTEGER NOT NULL, finding TEXT NOT NULL);
"""


@contextmanager
def sqlite_errors(path: Path | None) -> Iterator[None]:
    """SQLite's errors as ours: what is no state file, a full disk, a file that cannot be opened."""
    name = str(path) if path else "the temporary state"
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise NoSpace(f"{name}: {error}") from None
        if "locked" in str(error):
            raise Unavailable(f"{name} is in use by another process") from None
        raise InputError(f"{name} cannot be used as a state file: {error}") from None
    except sqlite3.DatabaseError as error:
        hint = "move it away; the next audit begins a new one, without what was known before"
        raise DocumentError(name, "", f"not a state file, or damaged: {error}", hint=hint) from None


def connect(path: Path | None) -> sqlite3.Connection:
    """Open a state file, or a temporary one on disk that goes with the process. The schema is made if it is new.

    Raises InputError, DocumentError (foreign, newer, damaged), NoSpace.
    """
    with sqlite_errors(path):
        # "" is SQLite's own temporary database, which is on disk as far as it does not fit into its cache.
        database = sqlite3.connect(str(path) if path else "", timeout=10, isolation_level=None, check_same_thread=False)
        try:
            _prepare(database, path)
        except BaseException:
            database.close()
            raise
    return database


def _prepare(database: sqlite3.Connection, path: Path | None) -> None:
    database.execute("PRAGMA cache_size = -16384")
    database.execute("PRAGMA synchronous = NORMAL")
    # At one moment: another process may be making the tables just now.
    application, version, tables = (int(number) for number in database.execute(_MARKS).fetchone())
    if application == APPLICATION and version == VERSION:
        return
    name = str(path)
    if application == APPLICATION and version > VERSION:
        raise DocumentError(name, "", "a state file of a newer version", hint="update modelpack, or use another file")
    if application or version or tables:
        raise DocumentError(name, "", "an SQLite database of another program", hint="choose another file")
    if path:
        database.execute("PRAGMA journal_mode = WAL")
    with transaction(database):
        if database.execute("PRAGMA application_id").fetchone()[0] == APPLICATION:  # another process was quicker
            return
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {APPLICATION}")
        database.execute(f"PRAGMA user_version = {VERSION}")


_MARKS = """
SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
FROM pragma_application_id, pragma_user_version
"""


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def lock(path: Path) -> IO[bytes]:
    """Take the writer's lock; it is free again when the file is closed. Raises Unavailable (another audit has it), StoreError."""
    name = path.with_name(f"{path.name}-lock")
    try:
        file = os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "r+b")
    except OSError as error:
        raise StoreError(f"{name} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Unavailable(
            f"another audit is using {path}", hint="wait until it has ended, or give a state file of its own"
        ) from None
    return file
