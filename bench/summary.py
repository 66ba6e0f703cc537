"""The table of README.md from result files, and nothing that is not in them.

``python -m bench.summary bench/results/2026-*.json --write README.md``

Of several files that have the same row, the last one counts. In the README the table stands between two comments.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench import report

_BEGIN, _END = "<!-- measured: python -m bench.summary -->", "<!-- end of measured -->"
_LINES = {"http": "HTTP", "tls": "TLS", "wan": "{rtt_ms:g} ms away, {rate_mb:g} MB/s a connection"}
_SHAPES = ("one", "eight", "many")
_OURS = ("modelpack pull", "modelpack push", "modelpack pack --push")


def main() -> None:
    """Print it, or write it into a README."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.summary", description="The README's table from result files."
    )
    parser.add_argument("files", nargs="+", type=Path, help="JSON files of bench.transfer")
    parser.add_argument("--write", type=Path, metavar="README")
    arguments = parser.parse_args()
    rows: dict[tuple[str, ...], str] = {}
    for path in arguments.files:
        rows |= _rows(json.loads(path.read_text()), path)
    table = "\n".join(
        [
            "| what | with | seconds | × best other client that verifies | × limit | from |",
            "|---|---|---|---|---|---|",
            *(rows[key] for key in sorted(rows, key=_order)),
        ]
    )
    if not arguments.write:
        print(table)
        return
    text = arguments.write.read_text()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise SystemExit(f"{arguments.write} has no {_BEGIN} … {_END}")
    arguments.write.write_text(f"{before}{_BEGIN}\n\n{table}\n\n{_END}{after}")


def _order(key: tuple[str, ...]) -> tuple[int | str, ...]:
    line, direction, shape, *rest = key
    return list(_LINES).index(line), direction, _SHAPES.index(shape), *rest


def _rows(result: dict[str, Any], path: Path) -> dict[tuple[str, ...], str]:
    found: dict[tuple[str, ...], str] = {}
    for table in report.tables(result):
        direction, rows = table.direction, table.rows
        place = f"{_LINES[table.line].format(**result['settings'])}, {report.SERVERS[table.server]}"
        for number, row in enumerate(rows):
            if row.tool["name"] in _OURS and row.walls:
                best, limit = report.best_peer(row, rows, direction), report.limit(row, rows, direction)
                rival = f"{report.times(best, row)} ({best.tool['name']})" if best else "–"
                form = f"{row.tool['name']}, {'from' if direction == 'push' else 'to'} {row.tool['what']}"
                cells = (f"{direction} {table.text}, {place}", form, f"{row.wall:.2f}", rival, report.times(limit, row))
                source = f"[{path.stem}](bench/results/{path.stem}.md)"
                key = (table.line, direction, table.shape, table.server, str(number))
                found[key] = f"| {' | '.join(cells)} | {source} |"
    return found


if __name__ == "__main__":
    main()
