"""Time transfers of models, ours and those of other clients, in turns: ``python -m bench.transfer --help``."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import report
from bench.clients import TOOLS
from bench.machine import describe
from bench.models import shapes
from bench.rows import Benchmark, Settings
from bench.servers import REGISTRIES

LINES = ("http", "tls", "wan")
_QUICK = {
    "size_mib": 128, "files": 100, "wan_size_mib": 8, "wan_files": 10, "repeats": 1, "limit": 10,
    "servers": ["origin", "sink"],
}  # fmt: skip


def main() -> None:
    """Run it, or render the results of an earlier run."""
    arguments = _arguments()
    if arguments.render:
        print(report.render(json.loads(arguments.render.read_text())))
        return
    # So that the servers stop and the data goes away however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    settings = _settings(arguments)
    arguments.work.mkdir(parents=True, exist_ok=True)
    machine = describe(arguments.work)
    with tempfile.TemporaryDirectory(prefix="transfer-", dir=arguments.work) as work:
        benchmark = Benchmark(settings, Path(work).resolve())
        try:
            benchmark.go()
        finally:
            if benchmark.runs:
                _save(arguments, settings, machine, benchmark)


def _save(arguments: argparse.Namespace, settings: Settings, machine: dict[str, Any], benchmark: Benchmark) -> None:
    date = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    missing = sorted({name for tool in TOOLS for name in tool.missing})
    result = {
        "date": date,
        "machine": machine,
        "settings": asdict(settings),
        "load": [round(benchmark.load, 1), round(os.getloadavg()[0], 1)],
        "missing": missing,
        "tools": [
            {"name": tool.name, "direction": tool.direction, "what": tool.what, "limit": tool.limit} for tool in TOOLS
        ],
        "damaged": benchmark.verdicts,
        "runs": benchmark.runs,
    }
    text = report.render(result)
    quick = "-quick" if arguments.quick else ""
    path = arguments.out or Path(__file__).parent / "results" / f"{date}-{machine['kind']}{quick}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text(text + "\n")
    print(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.transfer", description="Time transfers of models.")
    parser.add_argument("--size-mib", type=int, default=2048, help="of the model in one file, and of that in eight")
    parser.add_argument("--files", type=int, default=2000, help="of 4 KiB each, in the third model")
    parser.add_argument("--wan-size-mib", type=int, default=256, help="the same, over the slow network")
    parser.add_argument("--wan-files", type=int, default=500, help="the same, over the slow network")
    parser.add_argument("--rtt-ms", type=float, default=40, help="of the slow network")
    parser.add_argument("--rate-mb", type=float, default=20, help="of each of its connections, in MB/s")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", action="append", default=[], metavar="CASE", help="pull-one, push, many, …")
    parser.add_argument("--line", action="append", default=[], choices=LINES)
    parser.add_argument(
        "--servers", nargs="+", default=["origin", "sink", "distribution"], choices=["origin", *REGISTRIES]
    )
    parser.add_argument("--tool", action="append", default=[], help="a part of a client's name")
    parser.add_argument("--limit", type=float, default=120, help="seconds after which a client is stopped")
    parser.add_argument("--quick", action="store_true", help="other defaults: small models, once, under three minutes")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / ".work", help="folder for the data")
    parser.add_argument("--out", type=Path, help="the JSON file to write; the Markdown goes beside it")
    parser.add_argument("--render", type=Path, metavar="FILE", help="only print the tables of an earlier run")
    if parser.parse_known_args()[0].quick:
        parser.set_defaults(**_QUICK)
    return parser.parse_args()


def _settings(arguments: argparse.Namespace) -> Settings:
    return Settings(
        tuple(arguments.line) or LINES,
        tuple(arguments.servers),
        tuple(arguments.only),
        tuple(arguments.tool),
        tuple(shapes(arguments.size_mib, arguments.files)),
        tuple(shapes(arguments.wan_size_mib, arguments.wan_files)),
        arguments.repeats,
        arguments.limit,
        arguments.rtt_ms,
        arguments.rate_mb,
    )


if __name__ == "__main__":
    main()
