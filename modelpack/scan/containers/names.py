"""Names in archives."""

from __future__ import annotations

from modelpack.errors import UnsafePath
from modelpack.paths import safe_path
from modelpack.scan.looking import Look


def check_name(look: Look, name: str) -> None:
    """Report a file name that could leave the folder into which an archive is unpacked."""
    try:
        safe_path(name.rstrip("/") or name)
    except UnsafePath as error:
        look.report("SCAN-ARCHIVE-PATH", str(error))
