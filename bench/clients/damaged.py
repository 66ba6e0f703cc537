"""Who notices a damaged blob: every client pulls a model of which one byte was changed on the server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.clients.tool import Job, Tool
from bench.measure import run
from bench.models import Model
from bench.servers import Endpoint

_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """``works``: it pulls the sound model; without that the rest means nothing. ``noticed``: it fails with the damaged one.

    ``left``: the damaged bytes, or some of them, lie under the name of the good ones.
    """

    tool: str
    works: bool
    noticed: bool
    left: bool


def judge(clients: Iterable[Tool], endpoint: Endpoint, sound: Model, damaged: Model, work: Path) -> list[Verdict]:
    """Let all clients that are installed pull both models."""
    tools = [tool for tool in clients if tool.direction == "pull" and tool.writes and not tool.missing]
    verdicts = []
    for tool in tools:
        if tool.fits(endpoint.kind, damaged):
            works, _ = _pull(tool, endpoint, sound, work)
            unnoticed, left = _pull(tool, endpoint, damaged, work)
            verdicts.append(Verdict(tool.name, works, works and not unnoticed, left))
    return verdicts


def _pull(tool: Tool, endpoint: Endpoint, model: Model, work: Path) -> tuple[bool, bool]:
    """Whether it ended well, and whether there is something under the first file's name."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        job = Job(endpoint, f"bench/{model.name}", model, Path(name))
        usage = run(tool.command(job), tool.environment(job), job.folder, _LIMIT)
        first = model.layers[0]
        names = {first.title, first.digest.removeprefix("sha256:")}
        return usage.status == 0, any(path.name in names for path in job.output.rglob("*") if path.is_file())
