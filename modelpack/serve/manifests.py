"""The endpoints for manifests, tags and referrers (distribution-spec, "Pulling manifests" to "Listing Referrers")."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from urllib.parse import urlencode

from modelpack.errors import DocumentError
from modelpack.oci import MAX_DOCUMENT, Descriptor, Digest, Index, Manifest, is_document, parse_document
from modelpack.oci.mediatypes import OCI_INDEX
from modelpack.serve.http import Refusal, Reply, Request
from modelpack.serve.names import Names, digest_of, is_tag
from modelpack.store import BytesSource, LayoutStore

_PAGE = 1 << 20
"""Bytes of descriptors on one page of referrers: clients read no more than 4 MiB of a document."""

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_JSON = {"Content-Type": "application/json"}


class Manifests:
    """Manifests of one layout under repositories' names. A digest is known in all of them."""

    def __init__(self, layout: LayoutStore) -> None:
        self._layout = layout
        self._names = Names(layout)

    def get(self, _: Request, name: str, reference: str) -> Reply:
        """GET and HEAD, by tag or digest."""
        descriptor = self._names.resolve(name, reference)
        known = _MEDIA_TYPE.fullmatch(descriptor.media_type)  # index.json may say anything
        media_type = descriptor.media_type if known else "application/octet-stream"
        headers = {"Content-Type": media_type, "Docker-Content-Digest": str(descriptor.digest)}
        return Reply(200, headers, self._layout.read(descriptor))

    def put(self, request: Request, name: str, reference: str) -> Reply:
        """PUT: store a manifest whose blobs are there."""
        by_digest = ":" in reference
        if not by_digest and not is_tag(reference):
            raise Refusal(400, "MANIFEST_INVALID", f"{reference[:80]!r} is not a tag")
        expected = digest_of(reference) if by_digest else None
        document = _parse(request, expected.algorithm if expected else "sha256")
        descriptor = document.descriptor
        if expected and descriptor.digest != expected:
            raise Refusal(400, "DIGEST_INVALID", f"the manifest does not match {expected}")
        self._check_parts(document)
        self._layout.push(descriptor, BytesSource(document.raw))
        if not by_digest:
            self._layout.tag(descriptor, self._names.name(name, reference))
        return _created(name, document)

    def delete(self, _: Request, name: str, reference: str) -> Reply:
        """DELETE: of a tag, or of a manifest with all its tags."""
        descriptor = self._names.resolve(name, reference)
        if ":" in reference:
            self._layout.delete(descriptor)
        else:
            self._layout.untag(self._names.name(name, reference))
        return Reply(202)

    def tags(self, request: Request, name: str) -> Reply:
        """The tags of a repository, page by page."""
        tags = self._names.repositories().get(name)
        if tags is None:
            raise Refusal(404, "NAME_UNKNOWN", f"there is no repository {name}")
        page, headers = _page(request, tags)
        return Reply(200, headers, json.dumps({"name": name, "tags": page}).encode())

    def catalog(self, request: Request) -> Reply:
        """The repositories, page by page (as CNCF distribution does it)."""
        page, headers = _page(request, list(self._names.repositories()))
        return Reply(200, headers, json.dumps({"repositories": page}).encode())

    def referrers(self, request: Request, _: str, digest: str) -> Reply:
        """What is attached to a digest; an empty list if nothing is."""
        wanted = request.query.get("artifactType", "")
        found = self._layout.referrers(Descriptor("", digest_of(digest), 0), wanted)
        after = request.query.get("last", "")
        places = [place for place, entry in enumerate(found) if str(entry.digest) == after]
        found = found[places[0] + 1 :] if places else found
        page = _first(found)
        headers = {"Content-Type": OCI_INDEX}
        if wanted:
            headers["OCI-Filters-Applied"] = "artifactType"
        if len(page) < len(found):
            query = {"last": str(page[-1].digest), **({"artifactType": wanted} if wanted else {})}
            headers["Link"] = f'<{request.path}?{urlencode(query)}>; rel="next"'
        return Reply(200, headers, Index.build(page).raw)

    def _check_parts(self, document: Manifest | Index) -> None:
        parts = document.blobs if isinstance(document, Manifest) else document.manifests
        for part in parts:
            if not self._layout.exists(part):
                raise Refusal(404, "MANIFEST_BLOB_UNKNOWN", f"push {part.digest} ({part.size} bytes) first")


def _parse(request: Request, algorithm: str) -> Manifest | Index:
    raw = request.read(MAX_DOCUMENT)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if not is_document(media_type):
        raise Refusal(400, "MANIFEST_INVALID", f"{media_type[:80]!r} is not the type of a manifest or an index")
    try:
        document = parse_document(raw, media_type, algorithm)
    except DocumentError as error:
        raise Refusal(400, "MANIFEST_INVALID", str(error)) from None
    if document.descriptor.media_type != media_type:
        raise Refusal(400, "MANIFEST_INVALID", "Content-Type and the manifest's mediaType differ")
    return document


def _created(name: str, document: Manifest | Index) -> Reply:
    digest: Digest = document.descriptor.digest
    headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": str(digest)}
    if document.subject:
        headers["OCI-Subject"] = str(document.subject.digest)
    return Reply(201, headers)


def _page(request: Request, items: list[str]) -> tuple[list[str], dict[str, str]]:
    """Up to ``n`` items behind ``last``, and the headers that lead to the next page."""
    left = [item for item in items if item > request.query.get("last", "")]
    text = request.query.get("n", "")
    if not text:
        return left, _JSON
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Refusal(400, "PAGINATION_NUMBER_INVALID", "n must be a number")
    page = left[: int(text)]
    if not page or len(page) == len(left):
        return page, _JSON
    query = urlencode({"n": text, "last": page[-1]})
    return page, {**_JSON, "Link": f'<{request.path}?{query}>; rel="next"'}


def _first(entries: Sequence[Descriptor]) -> tuple[Descriptor, ...]:
    """As many as fit on a page, one at least."""
    length, count = 0, 0
    for entry in entries:
        length += len(json.dumps(entry.to_json()))
        if count and length > _PAGE:
            break
        count += 1
    return tuple(entries[:count])
