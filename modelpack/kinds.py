"""Kinds of files by the names that people give them."""

from __future__ import annotations

from modelpack.errors import InputError
from modelpack.oci import Kind

_ALIASES = {"config": Kind.CONFIG, "weights": Kind.WEIGHT, "docs": Kind.DOC, "datasets": Kind.DATASET}


def kind_named(name: str | Kind) -> Kind:
    """The kind that a name means: ``weight.config``, or ``config`` for short. Raises InputError."""
    try:
        return _ALIASES.get(name) or Kind(name)
    except ValueError:
        raise InputError(f"{name!r} is not a kind of file", hint=f"kinds are: {', '.join(Kind)}") from None
