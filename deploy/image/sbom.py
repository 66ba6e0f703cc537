"""What an image consists of, as CycloneDX 1.6: ``sbom.py ROOT NAME VERSION``, ROOT being its root file system.

Listed are installed Python distributions and Debian packages, with what they say of themselves. What is compiled into wheels
(OpenSSL in that of cryptography, for example) says nothing, is not listed, and makes the list incomplete, as it says itself.
The same image gives the same bytes.
"""

from __future__ import annotations

import email.parser
import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

RELEASE = "debian-12"


def main(root: Path, name: str, version: str) -> None:
    """Write the document to standard output."""
    ref = f"image:{name}@{version}"
    components = sorted([*python(root), *debian(root)], key=lambda one: one["bom-ref"])
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ref)}",
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": ref, "name": name, "version": version}},
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": [one["bom-ref"] for one in components]}],
        "compositions": [{"aggregate": "incomplete", "assemblies": [ref]}],
    }
    sys.stdout.write(f"{json.dumps(document, indent=1)}\n")


def python(root: Path) -> list[dict[str, Any]]:
    """Distributions, from the metadata of each (core metadata specification)."""
    found = []
    for path in root.glob("opt/modelpack/lib/python3*/site-packages/*.dist-info/METADATA"):
        fields = email.parser.Parser().parsestr(path.read_text(encoding="utf-8"), headersonly=True)
        name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
        one = component(name, fields["Version"], f"pkg:pypi/{name}@{quote(fields['Version'])}")
        if expression := fields["License-Expression"]:
            one["licenses"] = [{"expression": expression}]
        found.append(one)
    return found


def debian(root: Path) -> list[dict[str, Any]]:
    """Packages, from what the root file system's maker noted of each (deb822)."""
    found = []
    for path in (root / "var/lib/dpkg/status.d").iterdir():
        fields = email.parser.Parser().parsestr(path.read_text(encoding="utf-8"), headersonly=True)
        name, version = fields["Package"], fields["Version"]
        where = f"arch={fields['Architecture']}&distro={RELEASE}"
        found.append(component(name, version, f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}?{where}"))
    return found


def component(name: str, version: str, purl: str) -> dict[str, Any]:
    """An entry without a licence."""
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
