"""Push without hashing and without copying: ``python floor.py PLAN``, with the plan of ``curl_push.py``.

The kernel moves each file into its connection (``sendfile``), two blobs at a time. Nothing that knows its digests and sends
all bytes over plain HTTP can be faster. It speaks plain HTTP only: ``sendfile`` can't encrypt.
"""

from __future__ import annotations

import json
import queue
import socket
import sys
import threading
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

_CONNECTIONS = 2


def _request(connection: HTTPConnection, method: str, url: str, path: str = "", kind: str = "") -> str:
    """Send a request, with a file if one is named: the address in its Location."""
    parts = urlsplit(url)
    connection.putrequest(method, parts.path + (f"?{parts.query}" if parts.query else ""))
    connection.putheader("Content-Length", str(Path(path).stat().st_size if path else 0))
    connection.putheader("Content-Type", kind or "application/octet-stream")
    connection.endheaders()
    if path:
        with Path(path).open("rb") as file:
            _socket(connection).sendfile(file)
    response: HTTPResponse = connection.getresponse()
    response.read()
    if response.status not in {201, 202}:
        raise RuntimeError(f"{method} {parts.path}: {response.status}")
    return urljoin(url, response.getheader("Location", ""))


def _socket(connection: HTTPConnection) -> socket.socket:
    if not isinstance(connection.sock, socket.socket):
        raise TypeError("not connected")
    return connection.sock


def _push(plan: dict[str, Any], blobs: queue.SimpleQueue[list[str]], failed: list[BaseException]) -> None:
    connection = HTTPConnection(urlsplit(plan["target"]).netloc, timeout=300)
    try:
        while True:
            path, digest = blobs.get_nowait()
            where = _request(connection, "POST", f"{plan['target']}/blobs/uploads/")
            _request(connection, "PUT", f"{where}{'&' if '?' in where else '?'}digest={digest}", path)
    except queue.Empty:
        return
    except (OSError, RuntimeError) as error:
        failed.append(error)
    finally:
        connection.close()


def main(path: str) -> int:
    """Push blobs, then the manifest."""
    plan = json.loads(Path(path).read_text())
    blobs: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
    for blob in plan["blobs"]:
        blobs.put(blob)
    failed: list[BaseException] = []
    threads = [threading.Thread(target=_push, args=(plan, blobs, failed)) for _ in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        print(failed[0], file=sys.stderr)
        return 1
    connection = HTTPConnection(urlsplit(plan["target"]).netloc, timeout=30)
    kind = "application/vnd.oci.image.manifest.v1+json"
    _request(connection, "PUT", f"{plan['target']}/manifests/v1", plan["manifest"], kind)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
