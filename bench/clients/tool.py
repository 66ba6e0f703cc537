"""What a client is, to the benchmark."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.measure import find
from bench.models import TAG, Model
from bench.servers import Endpoint

Direction = Literal["pull", "push"]


@dataclass(frozen=True, slots=True)
class Job:
    """One transfer: a model between ``endpoint`` and this disk. ``folder`` is empty and belongs to this one run."""

    endpoint: Endpoint
    repository: str
    model: Model
    folder: Path

    @property
    def reference(self) -> str:
        """``host/repository:tag``."""
        return f"{self.endpoint.host}/{self.repository}:{TAG}"

    @property
    def output(self) -> Path:
        """Where a pull goes; it is not there yet."""
        return self.folder / "out"


@dataclass(frozen=True, slots=True)
class Tool:
    """A way to pull or to push. ``what`` says between which forms; ``limit``: it is no client, only a bound for them."""

    name: str
    direction: Direction
    what: str
    command: Callable[[Job], list[str]]
    env: Callable[[Job], Mapping[str, str]] = field(default=lambda _: {})
    programs: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    most_files: int = 1_000_000
    limit: bool = False
    writes: bool = True
    tls: bool = True

    @property
    def missing(self) -> list[str]:
        """Programs and Python packages that it needs and that are not there."""
        programs = [name for name in self.programs if not find(name)]
        return programs + [name for name in self.modules if not importlib.util.find_spec(name)]

    def environment(self, job: Job) -> dict[str, str]:
        """All of its environment: no credentials, no caches of whoever runs this."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(job.folder),
            "LC_ALL": "C.UTF-8",
            **self.env(job),
        }

    def fits(self, server: str, model: Model, *, tls: bool = False) -> bool:
        """Whether it can do this at all."""
        return (
            (self.tls or not tls)
            and (not self.servers or server in self.servers)
            and len(model.layers) <= self.most_files
        )
