"""Words of others in our messages: they are untrusted, and may be long."""

from __future__ import annotations

_SHOWN = 200
HINT = "pip install 'modelpack-toolkit[keyless]'"


def shown(text: object) -> str:
    """The first line of a text, cut, with everything escaped that could confuse a terminal."""
    line = str(text).strip().partition("\n")[0]
    return ascii(line)[1:-1][:_SHOWN]
