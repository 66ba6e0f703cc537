"""Boxes in columns: what something was made from stands left of it, and arrows cross as little as a few sweeps achieve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_SWEEPS = 8

Edge = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Placed:
    """``column`` and ``row`` of each box (rows may be fractions), and for each arrow the points that it passes, ends included."""

    at: Mapping[str, tuple[int, float]]
    ways: Mapping[Edge, tuple[tuple[int, float], ...]]
    columns: int
    rows: float


def placed(nodes: Sequence[str], edges: Sequence[Edge]) -> Placed:
    """A layered drawing (Sugiyama's method). ``edges`` may hold circles; an arrow that closes one points backwards."""
    forward = _without_circles(nodes, edges)
    column = _columns(nodes, forward)
    chains = {edge: _chain(edge, column) for edge in forward}
    columns: defaultdict[int, list[str]] = defaultdict(list)
    for name in nodes:
        columns[column[name]].append(name)
    for chain in chains.values():
        for name, number in chain[1:-1]:
            columns[number].append(name)
    links = [(first[0], second[0]) for chain in chains.values() for first, second in pairwise(chain)]
    order = [columns[number] for number in range(len(columns))]
    row = _rows(_sorted(order, links), links)
    at = {name: (column[name], row[name]) for name in nodes}
    ways = {edge: tuple((number, row[name]) for name, number in chains[edge]) for edge in forward}
    ways |= {edge: (at[edge[0]], at[edge[1]]) for edge in edges if edge not in ways}
    return Placed(at, ways, len(order), max(row.values(), default=0.0) + 1)


def _without_circles(nodes: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    """The edges but those that lead back to where a walk came from."""
    after: defaultdict[str, list[str]] = defaultdict(list)
    for base, made in edges:
        after[base].append(made)
    done, path, kept = set[str](), set[str](), []
    for start in nodes:
        if start in done:
            continue
        path.add(start)
        walk = [(start, iter(after[start]))]
        while walk:
            name, rest = walk[-1]
            step = next(rest, None)
            if step is None:
                walk.pop()
                path.discard(name)
                done.add(name)
            elif step not in path:
                kept.append((name, step))
                if step not in done:
                    path.add(step)
                    walk.append((step, iter(after[step])))
    return kept


def _columns(nodes: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """How many steps the longest way to a box has; what begins a way stands directly before the nearest that comes of it."""
    column = dict.fromkeys(nodes, 0)
    for _ in nodes:
        moved = [(made, column[base] + 1) for base, made in edges if column[made] <= column[base]]
        if not moved:
            break
        for made, number in moved:
            column[made] = max(column[made], number)
    made_of_something = {made for _, made in edges}
    for name in nodes:
        after = [column[made] for base, made in edges if base == name]
        if after and name not in made_of_something:
            column[name] = min(after) - 1
    return column


def _chain(edge: Edge, column: Mapping[str, int]) -> list[tuple[str, int]]:
    """An arrow's ends, and a place to pass in each column between them."""
    base, made = edge
    between = range(column[base] + 1, column[made])
    return [(base, column[base]), *((f"{base}\0{made}\0{number}", number) for number in between), (made, column[made])]


def _sorted(order: list[list[str]], links: Sequence[Edge]) -> list[list[str]]:
    """Each column by where its neighbours stand, to and fro."""
    before, after = _neighbours(links)
    last = len(order) - 1
    for sweep in range(_SWEEPS):
        for number in range(1, last + 1):
            if sweep % 2 == 0:
                order[number] = _by_neighbours(order[number], before, order[number - 1])
            else:
                order[last - number] = _by_neighbours(order[last - number], after, order[last - number + 1])
    return order


def _by_neighbours(names: list[str], near: Mapping[str, list[str]], beside: Sequence[str]) -> list[str]:
    position = {name: float(index) for index, name in enumerate(beside)}
    own = {name: float(index) for index, name in enumerate(names)}
    return sorted(names, key=lambda name: _mean([position[other] for other in near.get(name, ())], own[name]))


def _rows(order: Sequence[Sequence[str]], links: Sequence[Edge]) -> dict[str, float]:
    """Rows that pull boxes towards their neighbours, at least one apart."""
    before, after = _neighbours(links)
    row = {name: float(index) for names in order for index, name in enumerate(names)}
    for sweep in range(_SWEEPS):
        near = after if sweep % 2 == 0 else before
        for names in order if sweep % 2 else reversed(order):
            wanted = [_mean([row[other] for other in near[name]], row[name]) for name in names]
            row |= zip(names, _apart(wanted), strict=True)
    least = min(row.values(), default=0.0)
    return {name: number - least for name, number in row.items()}


def _apart(wanted: Sequence[float]) -> list[float]:
    """The nearest places to those wanted, in order and at least one apart: neighbours that collide share their middle."""
    blocks: list[tuple[float, int]] = []  # where a block begins, and how many it holds
    for place in wanted:
        start, count = place, 1
        while blocks and start < blocks[-1][0] + blocks[-1][1]:
            before, held = blocks.pop()
            start = (before * held + (start - held) * count) / (held + count)
            count += held
        blocks.append((start, count))
    return [start + index for start, count in blocks for index in range(count)]


def _neighbours(links: Sequence[Edge]) -> tuple[defaultdict[str, list[str]], defaultdict[str, list[str]]]:
    before: defaultdict[str, list[str]] = defaultdict(list)
    after: defaultdict[str, list[str]] = defaultdict(list)
    for base, made in links:
        before[made].append(base)
        after[base].append(made)
    return before, after


def _mean(numbers: Sequence[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise
