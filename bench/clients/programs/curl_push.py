"""Push with curl, two blobs at a time: ``python curl_push.py PLAN``.

A blob whose digest is not known is sent (PATCH) while openssl hashes it, and then closed (PUT) with that digest; one whose
digest is known is sent by a PUT alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin


def _curl(plan: dict[str, Any], method: str, url: str, *arguments: str) -> str:
    """Send a request: the address in its Location."""
    command = [
        "curl", "--silent", "--show-error", "--fail", "--request", method, "--write-out", "%header{location}",
        "--output", "/dev/null", "--header", "Expect:", *plan["options"], *arguments, url,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return urljoin(url, done.stdout)


def _push(plan: dict[str, Any], blob: list[str]) -> None:
    path, digest = blob
    where = _curl(plan, "POST", f"{plan['target']}/blobs/uploads/", "--data-binary", "")
    if plan["known"]:
        _curl(plan, "PUT", _with_digest(where, digest), "--upload-file", path)
        return
    with subprocess.Popen(["openssl", "dgst", "-sha256", "-r", path], stdout=subprocess.PIPE, text=True) as hasher:
        kind = ["--header", "Content-Type: application/octet-stream"]
        where = _curl(plan, "PATCH", where, *kind, "--upload-file", path)
        said = hasher.communicate()[0]
    _curl(plan, "PUT", _with_digest(where, "sha256:" + said.split()[0]), "--data-binary", "")


def _with_digest(url: str, digest: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}digest={digest}"


def main(path: str) -> None:
    """Push blobs, then the manifest."""
    plan = json.loads(Path(path).read_text())
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(partial(_push, plan), plan["blobs"]))
    kind = ["--header", "Content-Type: application/vnd.oci.image.manifest.v1+json"]
    _curl(plan, "PUT", f"{plan['target']}/manifests/v1", *kind, "--data-binary", f"@{plan['manifest']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
