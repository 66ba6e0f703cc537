"""A repository: documents, tags and blobs."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from typing import Self
from urllib.parse import quote

from modelpack.errors import DigestMismatch, InvalidDigest, NotFound, RegistryError, UnsupportedFormat
from modelpack.oci import Descriptor, Digest, is_document, parse_document
from modelpack.oci.mediatypes import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from modelpack.store.base import Change, Store
from modelpack.store.http import Client, Request, Response
from modelpack.store.mirrors import MirroredStream, MirrorHost
from modelpack.store.registry import referrers
from modelpack.store.registry.blobs import BlobStream, read_at
from modelpack.store.registry.host import Registry
from modelpack.store.registry.sessions import Sessions
from modelpack.store.registry.upload import Uploads
from modelpack.store.sources import BytesSource, HashingSource, Source, Stream, VerifiedSource

_ACCEPT = f"{OCI_MANIFEST}, {OCI_INDEX}, {DOCKER_MANIFEST}, {DOCKER_INDEX}"
_KEPT_DOCUMENTS = 16
_SIZE = re.compile(r"[0-9]{1,18}", re.ASCII)
_SETTLING = 4
"""Attempts to put a document while other writers make the registry find fault with it."""


class RegistryStore(Store):
    """One repository. Implements Ranged, Listing, Deleting, Referring, Rewriting and Mounting."""

    def __init__(self, registry: Registry, repository: str) -> None:
        self.registry = registry
        self.repository = repository
        self.base = f"{registry.url}/v2/{repository}"
        self.pull_scope = f"repository:{repository}:pull"
        self.push_scope = f"repository:{repository}:pull,push"
        self._sessions = Sessions(registry, repository)
        self._uploads = Uploads(self._sessions, registry.journal, self.exists)
        self.rewriting = threading.Lock()
        self._lock = threading.Lock()
        self._documents: OrderedDict[Digest, bytes] = OrderedDict()

    def exists(self, descriptor: Descriptor) -> bool:
        """Whether the registry has it, in full length."""
        request = Request("HEAD", self._url(descriptor), self.pull_scope, {"Accept": _ACCEPT})
        try:
            response = self.registry.client.send(request)
        except NotFound:
            return False
        response.close()
        return response.headers.get("content-length", str(descriptor.size)) == str(descriptor.size)

    def resolve(self, name: str) -> Descriptor:
        """The manifest or index that a tag or digest names; it is read once and kept for the reader that follows.

        A mirror is asked for what a digest names, and for what a tag means only if it is believed about that.
        """
        relay = self.registry.relay
        hosts = relay.pulling(Digest.parse(name)) if ":" in name else relay.resolving()
        return relay.ask(hosts, name, lambda host: self._resolve(host, name)) or self.resolve_here(name)

    def resolve_here(self, name: str) -> Descriptor:
        """The same from the registry itself, for who is going to replace what is there."""
        return self._resolve(None, name)

    def look_up(self, name: str) -> Descriptor | None:
        """What a tag or digest names by the registry's word, without reading it (HEAD): good to notice changes, and for nothing
        else. None if the registry says too little. Raises NotFound.
        """
        request = Request("HEAD", self._named(name), self.pull_scope, {"Accept": _ACCEPT})
        response = self.registry.client.send(request)
        response.close()
        headers = response.headers
        size = headers.get("content-length", "")
        try:
            digest = Digest.parse(headers.get("docker-content-digest", ""))
        except InvalidDigest:
            return None
        media_type = headers.get("content-type", "").partition(";")[0].strip()
        return Descriptor(media_type, digest, int(size)) if _SIZE.fullmatch(size) and is_document(media_type) else None

    def _resolve(self, host: MirrorHost | None, name: str) -> Descriptor:
        asked = Digest.parse(name) if ":" in name else None
        client, url, scope = self._at(host, _document_path(name))
        response, raw = client.fetch(Request("GET", url, scope, {"Accept": _ACCEPT}))
        digest = Digest.of(raw, asked.algorithm if asked else "sha256")
        if asked not in (None, digest) or not _agrees(response, raw):
            raise DigestMismatch(f"the registry's answer for {self.repository}:{name} does not match its digest")
        media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        document = parse_document(raw, media_type, digest.algorithm)
        self._keep(digest, raw)
        return document.descriptor

    def tag(self, descriptor: Descriptor, name: str) -> None:
        """Put the document again, under a tag."""
        self.put_document(descriptor, BytesSource(self.read(descriptor)), name)

    def rewrite(self, name: str, change: Change) -> None:
        """Let a tag lead to what ``change`` makes of what it leads to now."""
        referrers.rewrite(self, name, change)

    def tags(self) -> tuple[str, ...]:
        """All tags, sorted. Raises NotFound if there is no such repository."""
        pages = self.registry.pages(f"/v2/{self.repository}/tags/list?n=1000", self.pull_scope)
        return tuple(sorted({tag for page in pages for tag in page.texts("tags")}))

    def untag(self, name: str) -> None:
        """Remove a tag. Raises NotFound, UnsupportedFormat (many registries only delete whole manifests)."""
        self._delete(self._named(name), f"deleting the tag {name}")

    def delete(self, descriptor: Descriptor) -> None:
        """Remove a document with all its tags. Raises NotFound, UnsupportedFormat."""
        self._delete(self._url(descriptor), "deleting")
        with self._lock:
            self._documents.pop(descriptor.digest, None)

    def referrers(self, subject: Descriptor, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """What is attached, by the referrers API or the fallback tag."""
        return referrers.list_referrers(self, subject, artifact_type)

    def listed_referrers(self, subject: Descriptor) -> tuple[Descriptor, ...] | None:
        """What the referrers API lists; None if the registry has none, and keeps such lists under fallback tags."""
        return referrers.from_api(self, subject)

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        """Take a blob from another repository of this registry."""
        return self._sessions.mount(descriptor, repository)

    def read_at(self, descriptor: Descriptor, offset: int, length: int) -> bytes:
        """Unverified bytes from the middle of a blob, fewer at its end."""
        length = min(length, descriptor.size - offset)
        if length <= 0:
            return b""
        return read_at(self.registry.client, self._url(descriptor), self.pull_scope, offset, length)

    def put_document(self, descriptor: Descriptor, source: Source, name: str) -> None:
        """Put a document under a tag or under its digest."""
        verified = VerifiedSource(source, descriptor)
        with verified.open() as reader:
            raw = reader.read()
        request = Request(
            "PUT",
            self._named(name),
            self.push_scope,
            {"Content-Type": descriptor.media_type},
            BytesSource(raw),
            frozenset({200, 201, 202}),
        )
        response = self._settled(request, name, descriptor.digest)
        response.drain()
        if not _agrees(response, raw):
            raise DigestMismatch(f"{self.registry.host} stored something else than the {descriptor.digest} it was sent")
        self._keep(descriptor.digest, raw)

    def _settled(self, request: Request, name: str, digest: Digest) -> Response:
        """Send a document. distribution 2.8 finds a wrong digest also while another writer links a blob that both name: the link
        is empty for a moment. Ours was checked, so it is asked again; not under a tag, where it would come too late.
        """
        client = self.registry.client
        for attempt in range(1, min(client.retries, _SETTLING) if name == str(digest) else 1):
            try:
                return client.send(request)
            except RegistryError as error:
                if error.code != "DIGEST_INVALID":
                    raise
                client.pause(attempt, name, str(error))
        return client.send(request)

    def close(self) -> None:
        """Close idle connections of the registry, and keep none until the store is entered again."""
        self.registry.close()

    def __enter__(self) -> Self:
        """The store itself. It may have been closed before, as that of a :class:`modelpack.Verified` is."""
        self.registry.reopen()
        return self

    def _open(self, descriptor: Descriptor, offset: int) -> Stream:
        with self._lock:
            kept = self._documents.get(descriptor.digest)
        if kept is None and is_document(descriptor.media_type):
            kept = self._document(descriptor)
        if kept is not None:
            return BytesSource(kept).open(offset)
        return self._blob(descriptor, offset)

    def open_range(self, descriptor: Descriptor, offset: int, length: int) -> Stream:
        """Unverified bytes from the middle of a blob, as a stream; several at once are welcome."""
        return self._blob(descriptor, offset, length)

    def distrust(self, descriptor: Descriptor) -> bool:
        """What came was wrong. True if a mirror had a part in it: from now on it comes from the registry itself."""
        return self.registry.relay.distrust(descriptor.digest)

    def _blob(self, descriptor: Descriptor, offset: int, length: int | None = None) -> Stream:
        def open_at(host: MirrorHost | None, begin: int) -> Stream:
            left = None if length is None else offset + length - begin
            return BlobStream(*self._at(host, _path(descriptor)), descriptor, begin, left)

        relay = self.registry.relay
        if not relay.pulling(descriptor.digest):
            return open_at(None, offset)
        return MirroredStream(relay, descriptor.digest, offset, open_at)

    def _document(self, descriptor: Descriptor) -> bytes:
        """Checked if it comes from a mirror, so that the next one can be asked at once; else its reader will do that."""
        digest = descriptor.digest

        def fetch(host: MirrorHost | None) -> bytes:
            client, url, scope = self._at(host, _path(descriptor))
            # distribution 2.8 says 404 to who does not ask for the type.
            _, raw = client.fetch(Request("GET", url, scope, {"Accept": _ACCEPT}))
            if host and Digest.of(raw, digest.algorithm) != digest:
                raise DigestMismatch(f"it delivered something else than {digest}")
            return raw

        relay = self.registry.relay
        raw = relay.ask(relay.pulling(digest), str(digest), fetch)
        return fetch(None) if raw is None else raw

    def _at(self, host: MirrorHost | None, path: str) -> tuple[Client, str, str]:
        """How to ask a mirror, or the registry itself (None): client, URL, scope."""
        if host is None:
            return self.registry.client, f"{self.base}/{path}", self.pull_scope
        return host.client, host.url(f"{self.repository}/{path}"), ""

    def _push(self, descriptor: Descriptor, source: VerifiedSource) -> None:
        if not is_document(descriptor.media_type):
            return self._uploads.push(descriptor, source)
        with source.open() as reader:
            raw = reader.read()
        self.put_document(descriptor, BytesSource(raw), str(descriptor.digest))
        document = parse_document(raw, descriptor.media_type, descriptor.digest.algorithm)
        if document.subject is not None:
            referrers.attach(self, document)
        return None

    def _ingest(self, source: HashingSource) -> None:
        self._uploads.ingest(source)

    def _named(self, name: str) -> str:
        return f"{self.base}/{_document_path(name)}"

    def _url(self, descriptor: Descriptor) -> str:
        return f"{self.base}/{_path(descriptor)}"

    def _delete(self, url: str, what: str) -> None:
        request = Request(
            "DELETE", url, f"repository:{self.repository}:pull,delete", expect=frozenset({200, 202, 204, 400, 405})
        )
        response = self.registry.client.send(request)
        response.drain()
        if response.status in (400, 405):
            raise UnsupportedFormat(
                f"{self.registry.host} does not allow {what}", hint="see the registry's own settings"
            )

    def _keep(self, digest: Digest, raw: bytes) -> None:
        with self._lock:
            self._documents[digest] = raw
            while len(self._documents) > _KEPT_DOCUMENTS:
                self._documents.popitem(last=False)


def _document_path(name: str) -> str:
    return f"manifests/{quote(name, safe=':', errors='replace')}"


def _path(descriptor: Descriptor) -> str:
    part = "manifests" if is_document(descriptor.media_type) else "blobs"
    return f"{part}/{descriptor.digest}"


def _agrees(response: Response, raw: bytes) -> bool:
    """Whether the digest that the registry names, if it names one, is that of the bytes."""
    claimed = response.headers.get("docker-content-digest", "")
    return not claimed.startswith("sha256:") or claimed == str(Digest.of(raw))
