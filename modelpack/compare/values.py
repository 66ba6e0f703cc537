"""Named values, compared: configurations, annotations, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from modelpack.compare.difference import Change
from modelpack.oci import JSON, JSONObject


def changes(before: Mapping[str, JSON], after: Mapping[str, JSON]) -> tuple[Change, ...]:
    """What is different, by name. None counts as not said."""
    names = sorted(before.keys() | after.keys())
    found = (Change(name, before.get(name), after.get(name)) for name in names)
    return tuple(change for change in found if not equal(change.before, change.after))


def counts(before: Iterable[str], after: Iterable[str]) -> tuple[Change, ...]:
    """What there is more or less of, with how many."""
    first, second = Counter(before), Counter(after)
    return changes(dict(first), dict(second))


def equal(first: JSON, second: JSON) -> bool:
    """Equal as JSON: ``true`` is not 1."""
    return type(first) is type(second) and first == second


def leaves(document: JSONObject) -> dict[str, JSON]:
    """A document's values by their path in it (``config.capabilities.reasoning``). Lists are compared as they are, because a
    place in a list is no name.
    """
    return dict(_leaves(document, ""))


def _leaves(value: JSONObject, path: str) -> Iterator[tuple[str, JSON]]:
    for key, item in value.items():
        place = f"{path}.{key}" if path else key
        if isinstance(item, dict) and item:
            yield from _leaves(item, place)
        else:
            yield place, item
