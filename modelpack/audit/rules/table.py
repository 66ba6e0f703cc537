"""The rules that come along, and those of other packages."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

from modelpack.audit.rules.checks import RULES as CHECKS
from modelpack.audit.rules.pinning import PinnedWorkloads
from modelpack.audit.rules.rule import Rule
from modelpack.errors import InputError

RULES: tuple[Rule, ...] = (*CHECKS, PinnedWorkloads())

GROUP = "modelpack.rules"
"""The entry-point group of other packages' rules: each entry is a rule, or several, or a function that returns them."""


def default() -> list[Rule]:
    """All rules that come along, by id. A new list: add to it and take away as you like."""
    return sorted(RULES, key=lambda rule: rule.id)


def rule(name: str, rules: Iterable[Rule] | None = None) -> Rule:
    """One rule by its id. Raises InputError if there is none."""
    wanted = name.upper()
    found = next((one for one in (default() if rules is None else rules) if one.id.upper() == wanted), None)
    if found is None:
        raise InputError(f"there is no rule {name[:40]!a}", hint="modelpack audit explain lists all")
    return found


def installed() -> list[Rule]:
    """Rules of other packages that are installed here (entry-point group ``modelpack.rules``), by id.

    Loading runs those packages' code, so that this happens on request only. Raises InputError, naming the entry: it fails to
    load, is no rule, or takes an id that is taken.
    """
    found: dict[str, Rule] = {one.id: one for one in RULES}
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        for one in _load(entry):
            if found.setdefault(one.id, one) is not one:
                raise InputError(f"{_called(entry)} has a rule {one.id!a}, an id that is taken")
    ours = {one.id for one in RULES}
    return [found[name] for name in sorted(found) if name not in ours]


def _load(entry: metadata.EntryPoint) -> list[Rule]:
    try:
        loaded = entry.load()
        if callable(loaded) and not isinstance(loaded, Rule):
            loaded = loaded()
        rules = [loaded] if isinstance(loaded, Rule) else list(loaded)
    except Exception as error:  # whatever a foreign package raises, its entry is what the user has to know
        raise InputError(f"{_called(entry)} cannot be loaded: {type(error).__name__}: {str(error)[:200]}") from error
    for one in rules:
        if not isinstance(one, Rule) or not isinstance(one.id, str) or not one.id:
            raise InputError(f"{_called(entry)} gives {type(one).__name__}, which is no rule")
    return rules


def _called(entry: metadata.EntryPoint) -> str:
    package = f" of {entry.dist.name}" if entry.dist else ""
    return f"the entry point {entry.name} = {entry.value}{package}"
