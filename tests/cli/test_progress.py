"""Progress: lines for people, JSON for programs, and what a transfer's events add up to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from modelpack_cli.progress import JsonLines, Lines, Progress, watch
from modelpack_cli.tally import Tally, duration

from modelpack.store import Event, Mirror
from tests.cli.program import modelpack
from tests.faults import FaultyRegistry, effects

MB = 1_000_000


class Clock:
    """Seconds, as told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def told(events: Iterable[tuple[float, Event]], tally: Tally, clock: Clock) -> Tally:
    for seconds, event in events:
        clock.now += seconds
        tally.add(event)
    return tally


def test_a_tally() -> None:
    clock = Clock()
    tally = Tally(clock)
    assert (tally.rate, tally.eta, tally.line()) == (0, None, "0 B, 0 B/s")
    events = [
        (0.0, Event("plan", "", 10 * MB)),
        (0.0, Event("exists", "a", MB)),
        (0.0, Event("mounted", "b", MB)),
        (0.0, Event("begin", "c", 8 * MB)),
        (1.0, Event("bytes", "c", 8 * MB, 5 * MB)),
        (1.0, Event("bytes", "c", 8 * MB, -MB)),
        (0.0, Event("retry", "c", note="why")),
    ]
    told(events, tally, clock)
    assert tally.line() == "60 % of 10.0 MB, 2.0 MB/s, 2 s left"
    assert tally.summary() == "4.0 MB in 2.0 s, 2.0 MB/s, 1 retry, 2.0 MB were there already"
    told([(2.0, Event("bytes", "c", 8 * MB, 9 * MB)), (0.0, Event("retry", "c"))], tally, clock)
    assert tally.line() == "100 % of 10.0 MB, 3.2 MB/s, 0 s left"
    assert "2 retries" in tally.summary()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (400_000, "111 h 6 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def lines(capsys: pytest.CaptureFixture[str], *, always: bool, seconds: float) -> list[str]:
    clock = Clock()
    observe = Lines("pull", always=always, clock=clock)
    observe(Event("plan", "", 4 * MB))
    clock.now += seconds
    observe(Event("bytes", "a", 4 * MB, MB))
    observe(Event("bytes", "a", 4 * MB, MB))
    observe(Event("retry", "a\x1b", 4 * MB, note="the line broke"))
    clock.now += seconds
    observe.finish()
    return capsys.readouterr().err.splitlines()


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    retry = "retry: a\\x1b: the line broke"
    assert lines(capsys, always=False, seconds=5) == [
        "pull: 25 % of 4.0 MB, 200.0 kB/s, 15 s left",
        retry,
        "pull: 2.0 MB in 10.0 s, 200.0 kB/s, 1 retry",
    ]
    assert lines(capsys, always=False, seconds=2) == [retry]
    assert lines(capsys, always=True, seconds=2) == [retry, "pull: 2.0 MB in 4.0 s, 500.0 kB/s, 1 retry"]


def test_json_lines() -> None:
    clock = Clock()
    found: list[dict[str, Any]] = []
    observe = JsonLines("pull", found.append, clock)
    observe(Event("plan", "", 5 * MB))
    observe(Event("exists", "b", MB))
    observe(Event("begin", "a", 4 * MB))
    for _ in range(4):
        clock.now += 0.125
        observe(Event("bytes", "a", 4 * MB, MB))
    observe(Event("retry", "a", note="why"))
    observe(Event("end", "a", 4 * MB))
    observe.finish()
    assert found == [
        {"event": "plan", "name": "pull", "total": 5 * MB},
        {"event": "exists", "name": "b", "total": MB},
        {"event": "begin", "name": "a", "total": 4 * MB},
        {"event": "bytes", "name": "a", "total": 4 * MB, "done": 2 * MB, "rate": 8 * MB, "eta": 0.2},
        {"event": "bytes", "name": "a", "total": 4 * MB, "done": 4 * MB, "rate": 8 * MB, "eta": 0.0},
        {"event": "retry", "name": "a", "note": "why", "retries": 1},
        {"event": "end", "name": "a", "total": 4 * MB, "done": 4 * MB},
        {
            "event": "summary",
            "name": "pull",
            "total": 5 * MB,
            "done": 5 * MB,
            "moved": 4 * MB,
            "existing": MB,
            "retries": 1,
            "seconds": 0.5,
            "rate": 8 * MB,
        },
    ]


def test_json_lines_about_what_nobody_began() -> None:
    """Documents have no beginning, and content made on the way has no size."""
    clock = Clock()
    found: list[dict[str, Any]] = []
    observe = JsonLines("push", found.append, clock)
    observe(Event("bytes", "a", None, 5))
    clock.now += 1
    observe(Event("bytes", "a", None, 5))
    observe(Event("end", "b"))
    assert found == [
        {"event": "bytes", "name": "a", "total": None, "done": 10, "rate": 10, "eta": None},
        {"event": "end", "name": "b", "total": None},
    ]


@pytest.mark.parametrize(("shown", "quiet"), [(Progress.NONE, False), (Progress.AUTO, True)])
def test_nothing(capsys: pytest.CaptureFixture[str], shown: Progress, quiet: bool) -> None:
    with watch("pull", shown, quiet=quiet) as observe:
        observe(Event("retry", "a", note="why"))
    assert capsys.readouterr().err == ""


def test_bars_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with watch("pull", Progress.BAR, quiet=False) as observe:
        observe(Event("plan", "", 5 * MB))
        observe(Event("exists", "b", MB))
        observe(Event("begin", "a" * 50, 4 * MB))
        observe(Event("bytes", "a" * 50, 4 * MB, MB))
        observe(Event("bytes", "c", MB, MB))
        observe(Event("retry", "a", note="why"))
        observe(Event("end", "a" * 50, 4 * MB))
    shown = capsys.readouterr().err
    assert "pull" in shown
    assert "retry: a: why" in shown


def test_a_pull_for_programs(pushed: str, reference: str) -> None:
    ran = modelpack("pull", reference, "-o", "out", "--progress", "json", "-q").done()
    events = [json.loads(line) for line in ran.err.splitlines()]
    assert [event["event"] for event in events[:1] + events[-1:]] == ["plan", "summary"]
    assert [event["name"] for event in events if event["event"] == "end"].count("model.safetensors") == 1
    assert events[-1]["moved"] == events[0]["total"] == events[-1]["done"]
    again = modelpack("pull", reference, "-o", "out", "--progress", "json", "-q").done().err.splitlines()
    assert json.loads(again[-1])["existing"] > 0


def test_the_last_line(pushed: str, reference: str) -> None:
    ran = modelpack("pull", reference, "-o", "out", "--progress", "plain").done()
    assert ran.err.startswith("pull: 8")
    assert modelpack("pull", reference, "-o", "other", "--progress", "none").done().err.startswith("/")


def test_mirrors(pushed: str, reference: str, registry: str, tmp_path: Path) -> None:
    hosts = tmp_path / "certs.d" / registry.replace(":", "_").replace("_", "_", 1)
    hosts = hosts.with_name(f"{hosts.name}_")
    hosts.mkdir(parents=True)
    for option in ("--mirror", "--hosts-dir", "environment"):
        with FaultyRegistry() as mirror:
            mirror.on("GET", "/v2/", effects.status(503), times=None)
            (hosts / "hosts.toml").write_text(f'[host."{Mirror.parse(mirror.url).url}"]\n')
            values = {"--mirror": mirror.host, "--hosts-dir": str(hosts.parent)}
            given = [option, values[option]] if option in values else []
            with pytest.MonkeyPatch.context() as patch:
                if not given:
                    patch.setenv("MODELPACK_HOSTS_DIR", str(hosts.parent))
                ran = modelpack("pull", reference, "-o", option.strip("-"), *given).done()
            assert f"the mirror {mirror.host} is not asked again" in ran.err
            assert mirror.requests


def test_a_mirror_that_cannot_be_one(reference: str) -> None:
    modelpack("pull", reference, "-o", "out", "--mirror", "ftp://x").failed(2, "is no mirror", "https://host:port")
    modelpack("pull", reference, "-o", "out", "--hosts-dir", "none").failed(2, "none is not a folder")


@pytest.mark.parametrize("rate", ["0", "1", "1k", "1.5M", "10m", "2G"])
def test_rates(rate: str, reference: str) -> None:
    modelpack("ls", reference.rpartition(":")[0], "--limit-rate", rate).failed(5)


@pytest.mark.parametrize("rate", ["", "-1", "fast", "1T", "1 k", "1e3", "٣", "9" * 10])
def test_rates_that_are_none(rate: str, reference: str) -> None:
    ran = modelpack("ls", reference.rpartition(":")[0], "--limit-rate", rate)
    ran.failed(2, "--limit-rate takes bytes a second") if rate else ran.failed(5)


def test_a_slow_line(pushed: str, reference: str) -> None:
    ran = modelpack("pull", reference, "-o", "out", "--limit-rate", "100k", "--progress", "json", "-q").done()
    assert json.loads(ran.err.splitlines()[-1])["moved"] > 8000
