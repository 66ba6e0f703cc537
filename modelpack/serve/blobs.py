"""The endpoints for blobs (distribution-spec, "Pulling blobs", "Pushing Blobs"). All repositories share one pool."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from modelpack.errors import DigestMismatch, NotFound
from modelpack.oci import Descriptor, Digest
from modelpack.serve.http import Refusal, Reply, Request, Slice
from modelpack.serve.names import digest_of
from modelpack.serve.uploads import Uploads, unknown
from modelpack.store import CHUNK, Incoming, LayoutStore
from modelpack.store.layout import BlobFile

_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")
_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?([0-9]{1,19})-([0-9]{1,19})(?:/.*)?")


class Blobs:
    """Blobs of one layout, and uploads into it."""

    def __init__(self, layout: LayoutStore, uploads: Uploads) -> None:
        self._layout = layout
        self._uploads = uploads

    def get(self, request: Request, _: str, digest: str) -> Reply:
        """GET and HEAD of a blob, or of one range of it."""
        wanted = digest_of(digest)
        file, size = self._find(wanted)
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": str(wanted),
            "Accept-Ranges": "bytes",
        }
        span = _span(request.headers.get("range", ""), size) if request.method == "GET" else None
        if span is None:
            return Reply(200, headers, Slice(file, 0, size))
        first, stop = span
        if first >= stop:
            file.close()
            raise Refusal(416, "RANGE_INVALID", "nothing in that range", {"Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {first}-{stop - 1}/{size}"
        return Reply(206, headers, Slice(file, first, stop - first))

    def start(self, request: Request, name: str) -> Reply:
        """POST: take a blob that is there already, take one whole, or open a session."""
        mount, digest = request.query.get("mount", ""), request.query.get("digest", "")
        if mount:
            with suppress(Refusal):
                self._find(digest_of(mount))[0].close()
                return _created(name, digest_of(mount))
        elif digest:
            expected = digest_of(digest)
            with self._layout.incoming() as incoming:
                _receive(request, incoming)
                return _commit(name, incoming, expected)
        return self._progress(name, self._uploads.start(name), 202)

    def write(self, request: Request, name: str, upload: str) -> Reply:
        """PATCH: append a chunk, or a stream of unknown length."""
        with self._uploads.use(name, upload) as incoming:
            self._check_range(request, name, upload, incoming.size)
            _receive(request, incoming)
            return _at(name, upload, incoming.size, 202)

    def finish(self, request: Request, name: str, upload: str) -> Reply:
        """PUT: append the rest, if any, and make it a blob. A wrong digest ends the session."""
        expected = digest_of(request.query.get("digest", ""))
        with self._uploads.use(name, upload) as incoming:
            self._check_range(request, name, upload, incoming.size)
            _receive(request, incoming)
            try:
                return _commit(name, incoming, expected)
            finally:
                self._uploads.end(upload)

    def status(self, _: Request, name: str, upload: str) -> Reply:
        """GET of a session: how much has arrived."""
        return self._progress(name, upload, 204)

    def cancel(self, _: Request, name: str, upload: str) -> Reply:
        """DELETE of a session."""
        with self._uploads.use(name, upload):
            self._uploads.end(upload)
        return Reply(204)

    def _find(self, digest: Digest) -> tuple[BlobFile, int]:
        """An open blob and its size. Asking keeps it from being pruned before a manifest names it. Raises Refusal (404)."""
        try:
            file = self._layout.blob(digest)
        except NotFound:
            raise Refusal(404, "BLOB_UNKNOWN", f"there is no blob {digest}") from None
        size = os.fstat(file.fileno()).st_size
        if not self._layout.exists(Descriptor("", digest, size)):
            file.close()
            raise Refusal(404, "BLOB_UNKNOWN", f"there is no blob {digest}")
        return file, size

    def _progress(self, name: str, upload: str, status: int) -> Reply:
        with self._uploads.use(name, upload) as incoming:
            return _at(name, upload, incoming.size, status)

    def _check_range(self, request: Request, name: str, upload: str, size: int) -> None:
        text = request.headers.get("content-range", "")
        if not text:
            return
        match = _CONTENT_RANGE.fullmatch(text)
        first, last = (int(match[1]), int(match[2])) if match else (-1, -1)
        length = request.body.length
        if first != size or last < first - 1 or (length is not None and length != last - first + 1):
            here = _at(name, upload, size, 416)
            raise Refusal(
                416, "BLOB_UPLOAD_INVALID", f"the next byte is {size}, not the range {text[:60]}", here.headers
            )


def _receive(request: Request, incoming: Incoming) -> None:
    buffer = memoryview(bytearray(CHUNK))
    while length := request.body.readinto(buffer):
        incoming.write(buffer[:length])


def _commit(name: str, incoming: Incoming, expected: Digest) -> Reply:
    try:
        incoming.commit(expected)
    except DigestMismatch as error:
        raise Refusal(400, "DIGEST_INVALID", str(error)) from None
    except NotFound:
        raise unknown() from None
    return _created(name, expected)


def _created(name: str, digest: Digest) -> Reply:
    return Reply(201, {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": str(digest)})


def _at(name: str, upload: str, size: int, status: int) -> Reply:
    headers = {
        "Location": f"/v2/{name}/blobs/uploads/{upload}",
        "Range": f"0-{max(0, size - 1)}",
        "Docker-Upload-UUID": upload,
    }
    return Reply(status, headers)


def _span(text: str, size: int) -> tuple[int, int] | None:
    """First byte and end of a single range; None for what RFC 9110 lets a server ignore."""
    match = _RANGE.fullmatch(text.strip())
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size
    stop = min(size, int(match[2]) + 1) if match[2] else size
    if match[2] and int(match[2]) < int(match[1]):
        return None
    return int(match[1]), stop
