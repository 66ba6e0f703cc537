"""Questions about descent to a state file: a recall."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from modelpack.attest import Lineage
from modelpack.audit.lineage import Asked, Descent, Graph, ascent, descent
from modelpack.audit.state import State
from modelpack.errors import NotFound


def derived(question: str, state: str | Path, *, depth: int = 0) -> Descent:
    """What was made from something, directly or through others, of all that audits with that state file have seen.

    ``question`` is a manifest (``host/repository:tag``, ``…@sha256:…``, ``sha256:…``), all of a repository
    (``host/repository``), a Hub's commit (``hf:org/name@COMMIT``, or the commit), all of a Hub's model (``hf:org/name``), or a
    name. ``depth`` are generations, 0 all.

    Raises InputError, InvalidReference (the question), NotFound (no state file; a tag that it does not know), DocumentError.
    """
    with _graph(Path(state)) as graph:
        return replace(descent(graph, Asked.parse(question), depth=depth), unread=graph.unread())


def ancestors(question: str, state: str | Path, *, depth: int = 0) -> Lineage:
    """What one manifest was made from, and that in turn, without asking any registry. Raises as :func:`derived`."""
    with _graph(Path(state)) as graph:
        return ascent(graph, Asked.parse(question), depth=depth)


@contextmanager
def _graph(path: Path) -> Iterator[Graph]:
    if not path.is_file():
        raise NotFound(f"there is no state file {path}", hint="modelpack audit … --state FILE makes it")
    with State(path, reading=True) as state:
        yield Graph(state.rows)
