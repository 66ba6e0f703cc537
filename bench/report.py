"""The results of a benchmark as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

_LINES = {
    "http": "plain HTTP on loopback",
    "tls": "TLS (a private authority) on loopback",
    "wan": "a long way: {rtt_ms:g} ms round trip, {rate_mb:g} MB/s for each connection",
}
SERVERS = {
    "origin": "nginx with static blobs",
    "sink": "a sink that keeps nothing",
    "distribution": "CNCF distribution",
    "crane": "crane's registry",
    "modelpack": "modelpack serve",
}
_COLUMNS = (
    "client", "form", "verifies", "wall s (min–max)", "per second", "client CPU s", "of it system", "server CPU s",
    "peak RSS MiB", "bound by", "× best peer", "× limit",
)  # fmt: skip
_LIMITS = {
    ("pull", ""): ("curl + SHA-256 beside it",),
    ("push", "files"): ("curl + openssl beside it",),
    ("push", "OCI layout"): ("sendfile, digest known", "curl, digest known"),
}


@dataclass(frozen=True, slots=True)
class _Row:
    """One client in one table: medians of its runs."""

    tool: dict[str, Any]
    verifies: bool | None
    walls: list[float]
    size: int
    files: int
    user: float
    system: float
    server: float
    network: float
    rss: float
    note: str

    @property
    def wall(self) -> float:
        return median(self.walls)

    @property
    def client(self) -> float:
        return self.user + self.system


@dataclass(frozen=True, slots=True)
class Table:
    """Runs that may be compared: ``direction`` of what ``shape`` (``text`` for people) over a ``line`` to a ``server``."""

    line: str
    direction: str
    shape: str
    text: str
    server: str
    runs: list[dict[str, Any]]
    rows: list[_Row]


def render(result: dict[str, Any]) -> str:
    """Tables and what they mean."""
    parts = [_head(result), _damage(result["damaged"])]
    for table in tables(result):
        where = _LINES[table.line].format(**result["settings"])
        title = f"### {table.direction.capitalize()} {table.text}, {where}, {SERVERS[table.server]}"
        parts.append(f"{title}\n\n{_table(table.rows, table.direction, result['machine']['cores'], table.line)}")
        parts += [f"{run['tool']} failed: {run['failed']}" for run in table.runs if run["failed"]]
    return "\n\n".join(parts)


def tables(result: dict[str, Any]) -> Iterator[Table]:
    """What belongs together, in the order in which it was measured."""
    verdicts = {verdict["tool"]: bool(verdict["noticed"]) for verdict in result["damaged"] if verdict["works"]}
    keys = dict.fromkeys((r["line"], r["direction"], r["shape"], r["text"], r["server"]) for r in result["runs"])
    for line, direction, shape, text, server in keys:
        runs = [
            run
            for run in result["runs"]
            if (run["line"], run["direction"], run["shape"], run["server"]) == (line, direction, shape, server)
        ]
        rows = [row for tool in result["tools"] if (row := measured(tool, direction, runs, verdicts))]
        yield Table(line, direction, shape, text, server, runs, rows)


def _head(result: dict[str, Any]) -> str:
    machine, settings = result["machine"], result["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version != "-")
    load = (
        f" Load average before and at the end: {result['load'][0]:g}, {result['load'][1]:g}."
        if "load" in result
        else ""
    )
    missing = f" Not installed: {', '.join(result['missing'])}." if result["missing"] else ""
    return (
        f"## Transfers, {result['date']}\n\n"
        f"{machine['cores']} cores ({machine['processor']}) for client and server together, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, {machine['file_system']}, Python {machine['python']}, commit {machine['commit']}. "
        f"{versions}.{missing}{load}\n\n"
        f"Random bytes, in the page cache. Medians of {settings['repeats']}, the clients in turns. CPU is user and system of "
        "all processes of the client; RSS is the sum of their peaks, seen every 20 ms. *Form*: what a pull makes and what a "
        "push reads; from files a push must hash, from an OCI layout it knows the digests. *× best peer*: how many times as "
        "fast as the fastest other client that verifies (for pushes: that starts from the same form). *× limit*: the "
        "same for curl while a second process hashes (for pushes from a layout: sendfile, over TLS curl, two blobs at a "
        "time); a program with a better loop can beat it. *Bound by*: who kept "
        "at least four fifths of a core, or of all cores, busy; *waiting* is for the disk, for each other, or for a core that "
        "another program had. "
        f"A client is stopped after {settings['limit']:g} s. Compare within a table only."
    )


def _damage(verdicts: list[dict[str, Any]]) -> str:
    if not verdicts:
        return "### Who notices a damaged blob\n\nNot tried."
    lines = ["| client | notices | leaves damaged bytes under the good name |", "|---|---|---|"]
    for verdict in verdicts:
        if not verdict["works"]:
            lines.append(f"| {verdict['tool']} | fails with sound ones too | – |")
            continue
        noticed, left = ("yes" if verdict[key] else "no" for key in ("noticed", "left"))
        lines.append(f"| {verdict['tool']} | {noticed if verdict['noticed'] else '**no**'} | {left} |")
    return "### Who notices a damaged blob\n\nOne byte of one blob was changed on the server.\n\n" + "\n".join(lines)


def measured(
    tool: dict[str, Any], direction: str, runs: list[dict[str, Any]], verdicts: dict[str, bool]
) -> _Row | None:
    """A client's row, if it took part."""
    mine = [run for run in runs if run["tool"] == tool["name"]] if tool["direction"] == direction else []
    if not mine:
        return None
    good = [run for run in mine if not run["failed"] and not run["timed_out"]]
    late = [run for run in mine if run["timed_out"]]
    note = f"> {late[0]['wall']:.0f} s" if late else "" if good else "failed"
    if not good:
        return _Row(tool, verdicts.get(tool["name"]), [], mine[0]["bytes"], mine[0]["files"], 0, 0, 0, 0, 0, note)

    def middle(key: str) -> float:
        return float(median(run[key] for run in good))

    return _Row(
        tool, verdicts.get(tool["name"]), [run["wall"] for run in good], mine[0]["bytes"], mine[0]["files"], middle("user"),
        middle("system"), middle("server_cpu"), middle("network_cpu"), middle("rss"), note,
    )  # fmt: skip


def _table(rows: list[_Row], direction: str, cores: int, line: str) -> str:
    lines = [f"| {' | '.join(_COLUMNS)} |", "|" + "---|" * len(_COLUMNS)]
    lines += [f"| {' | '.join(_cells(row, rows, direction, cores, line))} |" for row in rows]
    return "\n".join(lines)


def _cells(row: _Row, rows: list[_Row], direction: str, cores: int, line: str) -> Iterable[str]:
    verifies = "–" if direction == "push" or row.verifies is None else "yes" if row.verifies else "**no**"
    start = (row.tool["name"], row.tool["what"], verifies)
    if not row.walls:
        return (*start, row.note, *["–"] * (len(_COLUMNS) - 4))
    spread = f" ({min(row.walls):.2f}–{max(row.walls):.2f})" if len(row.walls) > 1 else ""
    wall = f"{row.wall:.2f}{spread}"
    return (
        *start,
        f"{wall}, {row.note}" if row.note else wall,
        _rate(row),
        f"{row.client:.2f}", f"{row.system:.2f}", f"{row.server:.2f}",
        f"{row.rss / 2**20:.0f}" if row.rss else "–",
        _bound(row, cores, line), times(best_peer(row, rows, direction), row), times(limit(row, rows, direction), row),
    )  # fmt: skip


def _rate(row: _Row) -> str:
    if row.size / row.files < 2**20:
        return f"{row.files / row.wall:,.0f} files"
    return f"{row.size / row.wall / 2**20:,.0f} MiB"


def _bound(row: _Row, cores: int, line: str) -> str:
    client, server, network = (spent / row.wall for spent in (row.client, row.server, row.network))
    if client + server + network >= 0.8 * cores:
        names = {"client": client, "server": server, "relay": network}
        return f"all cores, most by {max(names, key=lambda name: names[name])}"
    busy = [name for name, share in (("client", client), ("server", server), ("relay", network)) if share >= 0.8]
    return " and ".join(busy) or ("network" if line == "wan" else "waiting")


def best_peer(row: _Row, rows: list[_Row], direction: str) -> _Row | None:
    """The fastest other client that verifies; for a push, that starts from the same form."""
    peers = [
        other
        for other in rows
        if other.walls
        and not other.tool["limit"]
        and not other.tool["name"].startswith("modelpack")
        and (other.verifies if direction == "pull" else other.tool["what"] == row.tool["what"])
    ]
    return min(peers, key=lambda other: other.wall, default=None)


def limit(row: _Row, rows: list[_Row], direction: str) -> _Row | None:
    """What bounds all clients, if it was measured."""
    names = _LIMITS.get((direction, "" if direction == "pull" else row.tool["what"]), ())
    known = {other.tool["name"]: other for other in rows if other.walls}
    return next((known[name] for name in names if name in known), None)


def times(other: _Row | None, row: _Row) -> str:
    """How many times as fast as another."""
    return f"{other.wall / row.wall:.2f}" if other else "–"
