from __future__ import annotations

from modelpack.store import Event, counter, ignore


def test_counts_become_events() -> None:
    events: list[Event] = []
    count = counter(events.append, "model.safetensors", 10)
    for number in (4, 0, 6, -10):
        count(number)
    assert events == [Event("bytes", "model.safetensors", 10, number) for number in (4, 6, -10)]


def test_nobody_needs_to_listen() -> None:
    counter(ignore, "x")(1)
