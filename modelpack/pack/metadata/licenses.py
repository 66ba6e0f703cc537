"""Names of licences: what model hubs and headers write, to SPDX licence identifiers (SPDX licence list 3.27)."""

from __future__ import annotations

import re

_LISTED = """
0BSD AFL-3.0 AGPL-3.0-only AGPL-3.0-or-later Apache-2.0 Artistic-2.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear
BSD-4-Clause BSL-1.0 C-UDA-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0
CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0 CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0 CC-BY-SA-3.0
CC-BY-SA-4.0 CC0-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0 ECL-2.0 EPL-1.0 EPL-2.0 EUPL-1.1
EUPL-1.2 GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later ISC LGPL-2.1-only LGPL-2.1-or-later
LGPL-3.0-only LGPL-3.0-or-later LGPLLR LPPL-1.3c MIT MIT-0 MPL-2.0 MS-PL MulanPSL-2.0 NCSA ODbL-1.0 ODC-By-1.0
OFL-1.1 OSL-3.0 PDDL-1.0 PostgreSQL Unlicense WTFPL X11 Zlib etalab-2.0
"""
_SPDX = {name.lower(): name for name in _LISTED.split()}
# Bare GNU names are SPDX's deprecated spelling of "-only".
_OTHER_NAMES = {
    "agpl-3.0": "AGPL-3.0-only",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "cc-by-4": "CC-BY-4.0",
    "gpl-2.0": "GPL-2.0-only",
    "gpl-3.0": "GPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "lgpl-lr": "LGPLLR",
    "mit license": "MIT",
    "odbl": "ODbL-1.0",
    "odc-by": "ODC-By-1.0",
    "pddl": "PDDL-1.0",
}
_NOTHING = frozenset({"", "other", "unknown", "none", "n/a", "proprietary"})
_OPERATOR = re.compile(r"\s+(AND|OR)\s+")
_NOT_IDSTRING = re.compile(r"[^A-Za-z0-9.]+")


def spdx(name: str) -> str:
    """The SPDX expression for a licence as model cards name it (``"apache-2.0"``, ``"llama3.1"``, ``"mit OR apache-2.0"``).

    A licence that SPDX does not list becomes ``LicenseRef-<name>``; a word that names none (``"other"``) becomes ``""``.
    """
    parts = _OPERATOR.split(name.strip())
    parts[::2] = map(_identifier, parts[::2])
    return " ".join(parts) if all(parts) else ""


def _identifier(name: str) -> str:
    key = name.strip().lower()
    if key in _NOTHING:
        return ""
    known = _SPDX.get(key) or _OTHER_NAMES.get(key)
    if known:
        return known
    words = _NOT_IDSTRING.sub("-", name.strip().removeprefix("LicenseRef-")).strip("-.")
    return f"LicenseRef-{words[:80]}" if words else ""
