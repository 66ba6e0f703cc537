"""A server that speaks the part of the Hugging Face Hub's API that a download needs, on loopback."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BIG = 100
"""Bytes from which a file is kept in LFS."""


@dataclass
class FakeHub:
    """One model, ``org/tiny``, with one commit on ``main``.

    ``token``: only who sends it may read. ``gated``: the listing is open, files are not. ``fail``: a path's beginning to
    the status that requests for it get. ``lies``: other digests than the files' in the listing.
    """

    files: Mapping[str, bytes]
    token: str = ""
    gated: bool = False
    commit: str = COMMIT
    fail: dict[str, int] = field(default_factory=dict)
    lies: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        for start, status in self.fail.items():
            if path.startswith(start):
                return status, {}, b"{}"
        if self.token and authorization != f"Bearer {self.token}":
            return 401, {}, b'{"error":"Invalid username or password."}'
        if match := re.fullmatch(r"/api/models/org/tiny/(revision|tree)/(.+)", path):
            return self._listing(match[1], match[2])
        if match := re.fullmatch(rf"/org/tiny/resolve/{self.commit}/(.+)", path):
            return self._file(match[1])
        return 404, {"X-Error-Code": "RepoNotFound"}, b'{"error":"Repository not found"}'

    def _listing(self, what: str, revision: str) -> tuple[int, dict[str, str], bytes]:
        if revision not in ("main", "refs/pr/1", self.commit):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        siblings = [self._sibling(name, data) for name, data in self.files.items()]
        tree = [
            {"type": "file", "path": name, "size": len(data), "oid": _blob(data)} for name, data in self.files.items()
        ]
        info = {
            "_id": "1",
            "id": "org/tiny",
            "modelId": "org/tiny",
            "sha": self.commit,
            "siblings": siblings,
            "tags": [],
        }
        return 200, {"Content-Type": "application/json"}, json.dumps(info if what == "revision" else tree).encode()

    def _sibling(self, name: str, data: bytes) -> dict[str, Any]:
        digest = self.lies.get(name, hashlib.sha256(data).hexdigest())
        lfs = {"sha256": digest, "size": len(data), "pointerSize": 130} if len(data) >= BIG else None
        return {"rfilename": name, "size": len(data), "blobId": _blob(data)} | ({"lfs": lfs} if lfs else {})

    def _file(self, name: str) -> tuple[int, dict[str, str], bytes]:
        if self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b"{}"
        data = self.files[name]
        etag = hashlib.sha256(data).hexdigest() if len(data) >= BIG else _blob(data)
        return 200, {"X-Repo-Commit": self.commit, "ETag": f'"{etag}"', "X-Linked-Size": str(len(data))}, data

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = unquote(urlsplit(self.path).path)
                authorization = self.headers.get("Authorization", "")
                hub.requests.append((self.command, path, authorization))
                status, headers, body = hub.answer(path, authorization)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _blob(data: bytes) -> str:
    """The name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
