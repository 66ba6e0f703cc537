"""States full of artifacts that say what they were made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from modelpack.audit.facts import Ancestor, Artifact, Sort, Unchecked
from modelpack.audit.findings import Subject
from modelpack.audit.lineage import Asked, Descent, Graph, descent
from modelpack.audit.state import State
from modelpack.oci import Descriptor, Digest

HOST = "registry.example"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
COMMIT = "c" * 40
OTHER = "d" * 40
HUB = "https://huggingface.co/org/base"


def digest(name: str) -> Digest:
    """The digest of an artifact of that name."""
    return Digest.of(name.encode())


def place(name: str) -> str:
    """Its repository."""
    return f"{HOST}/ml/{name}"


def base(name: str, relation: str = "finetune") -> Ancestor:
    """Made from another artifact, by digest."""
    return Ancestor("base-model", place(name), f"oci://{place(name)}@{digest(name)}", "", digest(name), relation)


def loose(name: str, tag: str = "") -> Ancestor:
    """Made from another artifact, which is named without a digest."""
    return Ancestor("base-model", place(name), f"oci://{place(name)}{f':{tag}' if tag else ''}")


def hub(commit: str = "", uri: str = HUB) -> Ancestor:
    """Made from a Hub model."""
    return Ancestor("base-model", "org/base", uri, commit, relation="adapter", source="README.md")


class Estate:
    """A state that is filled by hand."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.now = 1000.0

    def add(
        self,
        name: str,
        *said: Ancestor,
        where: str = "",
        tag: str = "v1",
        members: tuple[str, ...] = (),
        unread: str = "",
    ) -> Digest:
        """An artifact, with a tag in a repository of its own name; ``unread`` is a rule that lacks something."""
        here, found = place(where or name), digest(name)
        if tag:
            tags = dict(self.state.tags(here)) | {tag: Descriptor(MANIFEST, found, 1)}
            self.state.list_place(here, tags, self.now)
        self.state.keep(
            Artifact(
                Subject(here, found),
                Sort.MODEL,
                ancestors=said,
                members=tuple(map(digest, members)),
                unchecked=(Unchecked("files", "x", ("MP001", unread)),) if unread else (),
            ),
            parent="",
            fingerprint="f",
            collected=self.now,
            judged=self.now,
        )
        return found

    def many(self, links: Iterable[tuple[str, str]]) -> None:
        """Many artifacts, fast: each with one base, by name. What audits write one by one is written here as they do."""
        rows = [(place(name), str(digest(name)), str(digest(below))) for name, below in links]
        with_run = [(where, what, self.state.run) for where, what, _ in rows]
        database = self.state.database
        self.state.commit()
        database.execute("BEGIN")
        database.executemany(
            """INSERT INTO artifacts (place, digest, parent, fingerprint, collected, judged, first_seen, last_seen, run,
            fresh_run, facts) VALUES (?1, ?2, '', '', 0, 0, 0, 0, ?3, ?3, '{}')""",
            with_run,
        )
        database.executemany("INSERT INTO tags VALUES (?1, 'v1', ?2, '', 0, 0, 0, ?3, '', 0, 0)", with_run)
        database.executemany(
            "INSERT INTO ancestors VALUES (?, ?, 0, 'base-model', 'b', '', '', ?, 'finetune', 'README.md')", rows
        )
        database.execute("COMMIT")

    def ask(self, question: str, *, depth: int = 0, limit: int = 100_000) -> Descent:
        """What was made from something."""
        return descent(Graph(self.state.rows), Asked.parse(question), depth=depth, limit=limit)

    def told(self, question: str, *, depth: int = 0) -> list[str]:
        """The names of the repositories of what was found, ``?`` before those that are doubtful, in order."""
        found = self.ask(question, depth=depth).found
        return [f"{'' if one.certain else '?'}{one.subject.place.rpartition('/')[2]}" for one in found]


@contextmanager
def estate(path: Path | None = None) -> Iterator[Estate]:
    """A new one."""
    with State(path) as state:
        state.begin("x", 1000.0, resume=False)
        yield Estate(state)
