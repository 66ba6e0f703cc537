"""Cost against the number of layers and against size, with a plot: ``python -m bench.scale --help``.

Files are holes with a few bytes before them, so that a model of 100 GB fits any disk until it is pulled; pulls for which the
disk has no room are left out, copies from one registry to another need none. Pushes go into a sink, pulls come from nginx:
both cost next to nothing. Packing links large files, and is left out for as many layers as no manifest can name; *bundled* puts
the files into one archive.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.clients import Job, Tool
from bench.clients.ours import OURS
from bench.machine import describe
from bench.measure import run
from bench.models import Model, Shape, make
from bench.servers import Endpoint, origin, registry

_LAYERS = (1, 10, 100, 1_000, 10_000)
_GIGABYTES = (0.1, 1.0, 10.0, 100.0)
_RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Point:
    """One step at one size. ``axis`` is ``layers`` or ``gigabytes``; seconds and bytes."""

    axis: str
    value: float
    step: str
    wall: float
    cpu: float
    rss: int


def main() -> None:
    """Measure, print, save, plot."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description="Cost against layers and size.")
    parser.add_argument("--most-layers", type=int, default=_LAYERS[-1])
    parser.add_argument("--most-gb", type=float, default=_GIGABYTES[-1])
    parser.add_argument("--limit", type=float, default=1800, help="seconds for one step")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / ".work", help="folder for the data")
    parser.add_argument("--out", type=Path, default=_RESULTS / "scale.json", help="the plot goes beside it, as .svg")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    points: list[Point] = []
    machine = describe(arguments.work)
    for axis, value, shape in _shapes(arguments.most_layers, arguments.most_gb):
        for point in _measure(axis, value, shape, arguments.work, arguments.limit):
            if not point:
                continue
            points.append(point)
            print(
                f"{value:>8g} {axis:<9} {point.step:<5} {point.wall:8.2f} s, {point.cpu:8.2f} s of CPU, "
                f"{point.rss / 2**20:6.1f} MiB",
                flush=True,
            )
            result = {"machine": machine, "points": [asdict(point) for point in points]}
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    _plot(points, arguments.out.with_suffix(".svg"))


def _shapes(most_layers: int, most_gb: float) -> Iterator[tuple[str, float, Shape]]:
    for count in _LAYERS:
        if count <= most_layers:
            yield "layers", count, Shape("scale", count, 4096)
    for size in _GIGABYTES:
        if size <= most_gb:
            yield "gigabytes", size, Shape("scale", 1, int(size * 1e9))


def _measure(axis: str, value: float, shape: Shape, work: Path, limit: float) -> Iterator[Point | None]:
    with tempfile.TemporaryDirectory(prefix="scale-", dir=work) as name:
        folder = Path(name).resolve()
        model = make(shape, folder, sparse=True)
        tools = {tool.name: tool for tool in OURS}
        with registry("sink", folder) as sink, origin([model], folder) as nginx:
            steps = [
                ("pack", Tool("pack", "push", "files", _pack), sink),
                ("push", tools["modelpack push"], sink),
                ("pull", tools["modelpack pull"], nginx),
            ]
            if axis == "layers":
                steps.insert(1, ("pack, bundled", Tool("pack", "push", "files", _bundle), sink))
            else:
                steps.append(("copy", Tool("copy", "pull", "registry", partial(_copy, sink.host)), nginx))
            for step, tool, endpoint in steps:
                if step == "pull" and shape.count * shape.size * 1.2 > shutil.disk_usage(work).free:
                    print(f"{value:>8g} {axis:<9} pull: no room on the disk")
                else:
                    yield _point(axis, value, step, tool, endpoint, model, folder, limit)


def _pack(job: Job, *options: str) -> list[str]:
    store = ["--store", str(job.folder / "store")]
    command = [sys.executable, "-m", "modelpack_cli.main", "pack", str(job.model.files), *(options or ["--link"])]
    return [*command, "-t", job.model.local_name, "--kind", "*.bin=weight", *store, "-q"]


def _bundle(job: Job) -> list[str]:
    return [*_pack(job, "--bundle")[:-1], "--kind", "*.bin=code", "-q"]


def _copy(target: str, job: Job) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "modelpack_cli.main",
        "copy",
        job.reference,
        f"{target}/copies/{job.model.name}:v1",
    ]
    return [*command, "--plain-http", "-q"]


def _point(
    axis: str, value: float, step: str, tool: Tool, endpoint: Endpoint, model: Model, work: Path, limit: float
) -> Point | None:
    with tempfile.TemporaryDirectory(prefix="run-", dir=work) as name:
        job = Job(endpoint, f"bench/{model.name}", model, Path(name))
        usage = run(tool.command(job), tool.environment(job), job.folder, limit)
        if usage.status:
            said = " ".join(usage.said.replace(str(work), "WORK").split())
            print(f"{value:>8g} {axis:<9} {step:<5} failed: {said[-300:]}", flush=True)
            return None
        return Point(axis, value, step, usage.wall, usage.user + usage.system, usage.rss)


def _plot(points: list[Point], path: Path) -> None:
    try:
        import matplotlib as mpl
    except ImportError:
        print("no plot: matplotlib is not installed (pip install 'modelpack-toolkit[bench]')", file=sys.stderr)
        return
    mpl.use("Agg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "scale"})  # small, and the same each time
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(2, 2, figsize=(9, 6), constrained_layout=True)
    for column, axis in enumerate(("layers", "gigabytes")):
        _draw(grid[0][column], [(p.step, p.value, p.wall) for p in points if p.axis == axis], axis, "seconds")
        memory = [(p.step, p.value, p.rss / 2**20) for p in points if p.axis == axis]
        _draw(grid[1][column], memory, axis, "peak memory, MiB")
    figure.savefig(path, metadata={"Date": None})


def _draw(axes: Any, values: list[tuple[str, float, float]], across: str, up: str) -> None:
    for step in dict.fromkeys(step for step, _, _ in values):
        line = [(x, y) for name, x, y in values if name == step]
        axes.plot([x for x, _ in line], [y for _, y in line], marker="o", label=step)
    axes.set(xscale="log", xlabel="layers of 4 KiB" if across == "layers" else "GB in one layer", ylabel=up)
    if up == "seconds":
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if values:
        axes.legend()


if __name__ == "__main__":
    main()
