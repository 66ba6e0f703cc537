"""The rows of a transfer benchmark: who moves what, from where, how often, and whether it really did.

Every line, direction, shape and server is a row: all clients do the same, one after the other, and then again, so that
whatever else the machine does hits all of them. Pulls come from servers that run all the time and have the model in the page
cache; every push goes into a server that has just started and is empty. All addresses are loopback's.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.clients import TOOLS, Job, Tool, judge
from bench.measure import Usage, find, group_seconds, run
from bench.models import TAG, Model, Shape, corrupt, make
from bench.servers import Authority, Endpoint, behind_network, make_authority, origin, registry, upload

_MANY = 100
"""Files from which what clients wrote stays until all have had their turns."""

_ROOT = Path(__file__).resolve().parents[1]
_PROGRAMS = {"origin": "nginx", "distribution": "docker-registry", "crane": "crane"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What to run."""

    lines: tuple[str, ...]
    servers: tuple[str, ...]
    only: tuple[str, ...]
    tools: tuple[str, ...]
    shapes: tuple[Shape, ...]
    wan_shapes: tuple[Shape, ...]
    repeats: int
    limit: float
    rtt_ms: float
    rate_mb: float

    def wants(self, case: str) -> bool:
        """Whether ``pull-one`` and the like are asked for."""
        return not self.only or any(part in case for part in self.only)

    def clients(self, direction: str) -> list[Tool]:
        """The clients that are asked for and installed."""
        named = [tool for tool in TOOLS if not self.tools or any(part in tool.name for part in self.tools)]
        return [tool for tool in named if tool.direction == direction and not tool.missing]


class Benchmark:
    """One run: ``runs`` fills while it lasts."""

    def __init__(self, settings: Settings, work: Path) -> None:
        self._settings = settings
        self._work = work
        self._authority = make_authority(work / "pki")
        self.load = os.getloadavg()[0]
        """Of the machine, before anything began: what others do on it."""
        self.runs: list[dict[str, Any]] = []
        self.verdicts: list[dict[str, Any]] = []

    def go(self) -> None:
        """Do all of it."""
        self._judge()
        for name, cut in (("near", self._settings.shapes), ("far", self._settings.wan_shapes)):
            lines = [line for line in self._settings.lines if (line == "wan") == (name == "far")]
            needed = [
                shape for shape in cut if any(self._settings.wants(f"{d}-{shape.name}") for d in ("pull", "push"))
            ]
            if not lines or not needed:
                continue
            with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=self._work) as folder:
                _tell(f"making {', '.join(shape.text for shape in needed)}")
                models = [make(shape, Path(folder)) for shape in needed]
                os.sync()  # or it is written back on the first client's time
                for line in lines:
                    self._line(line, models, dict(zip([m.name for m in models], needed, strict=True)))

    def _judge(self) -> None:
        if not find("nginx"):
            _tell("nginx is not installed: no check of who notices damage, no fast origin")
            return
        with tempfile.TemporaryDirectory(prefix="damaged-", dir=self._work) as folder:
            sound = make(Shape("two", 2, 3_000_000), Path(folder))
            damaged = corrupt(sound, Path(folder))
            with origin([sound, damaged], self._work) as endpoint:
                verdicts = judge(TOOLS, endpoint, sound, damaged, self._work)
        self.verdicts = [asdict(verdict) for verdict in verdicts]

    def _line(self, line: str, models: list[Model], cut: dict[str, Shape]) -> None:
        authority = self._authority if line == "tls" else None
        pulled = [model for model in models if self._settings.wants(f"pull-{model.name}")]
        with ExitStack() as stack:
            endpoints = [
                stack.enter_context(self._far(line, stack.enter_context(self._filled(kind, pulled, authority))))
                for kind in self._kinds("pull", line)
                if pulled
            ]
            for model in pulled:
                for endpoint in endpoints:
                    self._row(line, "pull", cut[model.name], model, endpoint.kind, endpoint)
        for model in models:
            if self._settings.wants(f"push-{model.name}"):
                for kind in self._kinds("push", line):
                    self._row(line, "push", cut[model.name], model, kind, None)

    def _kinds(self, direction: str, line: str) -> list[str]:
        unfit = {"pull": "sink", "push": "origin"}[direction]
        kinds = [kind for kind in self._settings.servers if kind != unfit]
        if line == "tls":
            kinds = [kind for kind in kinds if kind != "crane"]  # it has no TLS
        if line == "wan":
            kinds = kinds[:1]  # the network is what is measured
        return [kind for kind in kinds if kind not in _PROGRAMS or find(_PROGRAMS[kind])]

    @contextlib.contextmanager
    def _filled(self, kind: str, models: list[Model], authority: Authority | None) -> Iterator[Endpoint]:
        if kind == "origin":
            with origin(models, self._work, authority) as endpoint:
                yield endpoint
            return
        with registry(kind, self._work, authority) as endpoint:
            for model in models:
                upload(model, endpoint)
            yield endpoint

    def _far(self, line: str, endpoint: Endpoint) -> AbstractContextManager[Endpoint]:
        if line != "wan":
            return contextlib.nullcontext(endpoint)
        return behind_network(endpoint, self._work, self._settings.rtt_ms, self._settings.rate_mb)

    def _row(
        self, line: str, direction: str, shape: Shape, model: Model, server: str, endpoint: Endpoint | None
    ) -> None:
        clients = [tool for tool in self._settings.clients(direction) if tool.fits(server, model, tls=line == "tls")]
        given_up: set[str] = set()
        # ext4 does not use an inode again for a minute after a file was deleted, and looks through all of them for another: where
        # the one who was before has its thousands of files deleted, that takes longer than the transfer.
        kept = ExitStack() if len(model.layers) > _MANY else None
        row = {"line": line, "direction": direction, "shape": shape.name, "text": shape.text, "server": server}
        for repeat in range(self._settings.repeats):
            turn = repeat % len(clients) if clients else 0
            for tool in (*clients[turn:], *clients[:turn]):  # nobody is always first
                if tool.name in given_up:
                    continue
                result = self._once(line, tool, model, server, endpoint, kept)
                self.runs.append(
                    {
                        **row,
                        "bytes": model.size,
                        "files": len(model.layers),
                        "tool": tool.name,
                        "repeat": repeat,
                        **result,
                    }
                )
                if result["failed"] or result["timed_out"]:
                    given_up.add(tool.name)
                said = result["failed"] or ("gave up" if result["timed_out"] else f"{result['wall']:.2f} s")
                _tell(f"{line} {direction} {shape.text} {server}: {tool.name}: {said}")
        if kept:
            kept.close()

    def _once(
        self,
        line: str,
        tool: Tool,
        model: Model,
        server: str,
        endpoint: Endpoint | None,
        kept: ExitStack | None,
    ) -> dict[str, Any]:
        with ExitStack() as stack:
            files = tempfile.TemporaryDirectory(prefix="run-", dir=self._work)
            folder = Path((kept or stack).enter_context(files))
            if not endpoint:
                authority = self._authority if line == "tls" else None
                near = stack.enter_context(registry(server, self._work, authority))
                endpoint = stack.enter_context(self._far(line, near))
            job = Job(endpoint, f"bench/{model.name}", model, folder)
            command = tool.command(job)
            before = group_seconds(list(endpoint.groups)), group_seconds(list(endpoint.network))
            usage = run(command, tool.environment(job), folder, self._settings.limit)
            after = group_seconds(list(endpoint.groups)), group_seconds(list(endpoint.network))
            failed = "" if usage.timed_out else self._fault(tool, job, usage)
            return {
                **{key: value for key, value in asdict(usage).items() if key not in {"status", "said"}},
                "server_cpu": round(after[0] - before[0], 2),
                "network_cpu": round(after[1] - before[1], 2),
                "failed": failed,
            }

    def _fault(self, tool: Tool, job: Job, usage: Usage) -> str:
        """Why a run doesn't count, or nothing. A client that ends well has really moved the bytes."""
        if usage.status:
            said = usage.said.replace(str(self._work), "WORK").replace(str(_ROOT), "REPOSITORY")
            return f"exit status {usage.status}: {' '.join(said.split())[-300:]}"
        if tool.direction == "pull":
            there = sum(path.stat().st_size for path in job.output.rglob("*") if path.is_file())
            return "" if not tool.writes or there >= job.model.size else f"only {there} bytes arrived"
        if job.endpoint.kind == "sink":
            received = int(_get(job.endpoint, "/received") or 0)
            return "" if received >= job.model.size else f"only {received} bytes arrived"
        return "" if _get(job.endpoint, f"/v2/{job.repository}/manifests/{TAG}") else "no manifest arrived"


def _get(endpoint: Endpoint, path: str) -> bytes:
    context = ssl.create_default_context(cafile=str(endpoint.ca)) if endpoint.ca else None
    connection = (
        http.client.HTTPSConnection(endpoint.host, context=context, timeout=30)
        if context
        else http.client.HTTPConnection(endpoint.host, timeout=30)
    )
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
        response = connection.getresponse()
        body = response.read()
        return body if response.status == 200 else b""


def _tell(text: str) -> None:
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)
