"""The distribution-spec's endpoints over a dictionary of repositories, as a well-behaved registry answers them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.faults.content import Features, Repository, matches
from tests.faults.messages import Reply, Request, error

NAME = r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(slots=True)
class Endpoints:
    """Answers requests from what the repositories hold, and changes it."""

    url: str
    features: Features
    repositories: dict[str, Repository] = field(default_factory=dict)

    def answer(self, request: Request) -> Reply:
        """The right answer to a request."""
        if request.path in ("/v2", "/v2/"):
            return Reply(200, {"Content-Type": "application/json"}, b"{}")
        for method, path, handler in ROUTES:
            found = re.fullmatch(path, request.path)
            if found and re.fullmatch(method, request.method):
                return handler(self, request, **found.groupdict())
        return error(404, "NOT_FOUND")

    def repository(self, name: str) -> Repository:
        """A repository, made on first use."""
        return self.repositories.setdefault(name, Repository())


def _get_blob(here: Endpoints, request: Request, name: str, digest: str) -> Reply:
    data = here.repository(name).blobs.get(digest)
    if data is None:
        return error(404, "BLOB_UNKNOWN")
    headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
    if here.features.ranges:
        headers["Accept-Ranges"] = "bytes"
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
        if wanted:
            return _part(data, headers, *wanted.groups())
    return Reply(200, headers, data)


def _part(data: bytes, headers: dict[str, str], first: str, last: str) -> Reply:
    size = len(data)
    start = int(first) if first else max(0, size - int(last or 0))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        return error(416, "RANGE_INVALID", headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Reply(206, headers, data[start:stop])


def _delete_blob(here: Endpoints, request: Request, name: str, digest: str) -> Reply:
    if not here.features.delete:
        return error(405, "UNSUPPORTED")
    return Reply(202) if here.repository(name).blobs.pop(digest, None) is not None else error(404, "BLOB_UNKNOWN")


def _start_upload(here: Endpoints, request: Request, name: str) -> Reply:
    repository = here.repository(name)
    digest = request.query.get("digest", "")
    if digest and here.features.single_post:
        return _finish(here, name, digest, request.body)
    origin = here.repositories.get(request.query.get("from", ""))
    mount = request.query.get("mount", "")
    if here.features.mount and origin and mount in origin.blobs:
        repository.blobs[mount] = origin.blobs[mount]
        return _created(name, "blobs", mount)
    return _progress(here, name, repository.start_upload(), 202)


def _finish(here: Endpoints, name: str, digest: str, data: bytes) -> Reply:
    if not matches(digest, data):
        return error(400, "DIGEST_INVALID")
    here.repository(name).blobs[digest] = data
    return _created(name, "blobs", digest)


def _created(name: str, kind: str, digest: str) -> Reply:
    return Reply(201, {"Location": f"/v2/{name}/{kind}/{digest}", "Docker-Content-Digest": digest})


def _progress(here: Endpoints, name: str, upload: str, status: int) -> Reply:
    size = len(here.repository(name).uploads[upload])
    location = f"/v2/{name}/blobs/uploads/{upload}"
    if here.features.location == "url":
        location = here.url + location
    if here.features.location == "query":
        location += "?" + urlencode({"_state": f"{upload}+{size}="})
    headers = {"Location": location, "Range": f"0-{max(0, size - 1)}", "Docker-Upload-UUID": upload}
    if here.features.minimum_chunk:
        headers["OCI-Chunk-Min-Length"] = str(here.features.minimum_chunk)
    return Reply(status, headers)


def _upload(here: Endpoints, request: Request, name: str, upload: str) -> Reply:
    data = here.repository(name).uploads.get(upload)
    if data is None:
        return error(404, "BLOB_UPLOAD_UNKNOWN")
    if here.features.location == "query" and request.query.get("_state") != f"{upload}+{len(data)}=":
        return error(400, "BLOB_UPLOAD_INVALID", "the upload's state was lost")
    return UPLOAD[request.method](here, request, name, upload)


def _patch_upload(here: Endpoints, request: Request, name: str, upload: str) -> Reply:
    data = here.repository(name).uploads[upload]
    start = request.headers.get("content-range", "").partition("-")[0]
    if not here.features.patch:
        return error(405, "UNSUPPORTED")
    if here.features.content_length and ("content-length" not in request.headers or not start):
        return error(400, "BLOB_UPLOAD_INVALID", "a chunk needs Content-Length and Content-Range")
    if start and int(start) != len(data):
        refusal = _progress(here, name, upload, 416)
        return Reply(416, refusal.headers, error(416, "RANGE_INVALID").body)
    data += request.body
    return _progress(here, name, upload, 202)


def _put_upload(here: Endpoints, request: Request, name: str, upload: str) -> Reply:
    data = bytes(here.repository(name).uploads[upload] + request.body)
    reply = _finish(here, name, request.query.get("digest", ""), data)
    if reply.status == 201:
        del here.repository(name).uploads[upload]
    return reply


def _get_upload(here: Endpoints, request: Request, name: str, upload: str) -> Reply:
    return _progress(here, name, upload, 204)


def _delete_upload(here: Endpoints, request: Request, name: str, upload: str) -> Reply:
    del here.repository(name).uploads[upload]
    return Reply(204)


def _get_manifest(here: Endpoints, request: Request, name: str, reference: str) -> Reply:
    found = here.repository(name).manifest(reference)
    if not found:
        return error(404, "MANIFEST_UNKNOWN")
    digest, media_type, data = found
    return Reply(200, {"Content-Type": media_type, "Docker-Content-Digest": digest}, data)


def _put_manifest(here: Endpoints, request: Request, name: str, reference: str) -> Reply:
    repository = here.repository(name)
    if ":" in reference and not matches(reference, request.body):
        return error(400, "DIGEST_INVALID")
    try:
        document = json.loads(request.body)
    except ValueError:
        return error(400, "MANIFEST_INVALID")
    needed = [*document.get("layers", ()), *([document["config"]] if "config" in document else ())]
    if any(child["digest"] not in repository.blobs for child in needed):
        return error(404, "MANIFEST_BLOB_UNKNOWN")
    media_type = request.headers.get("content-type", "")
    digest = repository.add_manifest(media_type, request.body, *([] if ":" in reference else [reference]))
    reply = _created(name, "manifests", digest)
    subject = (
        {"OCI-Subject": document["subject"]["digest"]} if here.features.referrers and "subject" in document else {}
    )
    return Reply(201, {**reply.headers, **subject})


def _delete_manifest(here: Endpoints, request: Request, name: str, reference: str) -> Reply:
    repository = here.repository(name)
    found = repository.manifest(reference)
    if not here.features.delete:
        return error(405, "UNSUPPORTED")
    if not found:
        return error(404, "MANIFEST_UNKNOWN")
    if reference in repository.tags:
        del repository.tags[reference]
        return Reply(202)
    del repository.manifests[reference]
    repository.tags = {tag: digest for tag, digest in repository.tags.items() if digest != reference}
    return Reply(202)


def _tags(here: Endpoints, request: Request, name: str) -> Reply:
    if name not in here.repositories:
        return error(404, "NAME_UNKNOWN")
    headers, tags = _page(here, request, here.repository(name).tags)
    return Reply(200, headers, json.dumps({"name": name, "tags": tags}).encode())


def _catalog(here: Endpoints, request: Request) -> Reply:
    headers, names = _page(here, request, here.repositories)
    return Reply(200, headers, json.dumps({"repositories": names}).encode())


def _page(here: Endpoints, request: Request, names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    left = sorted(name for name in names if name > request.query.get("last", ""))
    limit = int(request.query.get("n") or here.features.page or len(left))
    limit = min(limit, here.features.page or limit)
    headers = {"Content-Type": "application/json"}
    if len(left) > limit > 0:
        query = urlencode({"n": limit, "last": left[limit - 1]})
        headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return headers, left[:limit]


def _referrers(here: Endpoints, request: Request, name: str, digest: str) -> Reply:
    if not here.features.referrers:
        return error(404, "NOT_FOUND")
    wanted = request.query.get("artifactType", "")
    entries = [
        entry
        for key, (media_type, data) in here.repository(name).manifests.items()
        if (entry := _referrer(key, media_type, data, digest)) and wanted in ("", entry["artifactType"])
    ]
    headers = {"Content-Type": INDEX, **({"OCI-Filters-Applied": "artifactType"} if wanted else {})}
    first = int(request.query.get("first", "0"))
    last = first + (here.features.page or len(entries))
    if len(entries) > last:
        query = urlencode({**request.query, "first": last})
        headers["Link"] = f'</v2/{name}/referrers/{digest}?{query}>; rel="next"'
    body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries[first:last]}
    return Reply(200, headers, json.dumps(body).encode())


def _referrer(key: str, media_type: str, data: bytes, subject: str) -> dict[str, object] | None:
    document = json.loads(data)
    if document.get("subject", {}).get("digest") != subject:
        return None
    kind = document.get("artifactType") or document.get("config", {}).get("mediaType", "")
    entry = {"mediaType": media_type, "digest": key, "size": len(data), "artifactType": kind}
    return {**entry, **({"annotations": document["annotations"]} if "annotations" in document else {})}


Handler = Callable[..., Reply]
UPLOAD: dict[str, Handler] = {
    "PATCH": _patch_upload,
    "PUT": _put_upload,
    "GET": _get_upload,
    "DELETE": _delete_upload,
}
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", rf"/v2/{NAME}/blobs/uploads/?", _start_upload),
    ("PATCH|PUT|GET|DELETE", rf"/v2/{NAME}/blobs/uploads/(?P<upload>[0-9a-f-]+)", _upload),
    ("GET|HEAD", rf"/v2/{NAME}/blobs/(?P<digest>[^/]+)", _get_blob),
    ("DELETE", rf"/v2/{NAME}/blobs/(?P<digest>[^/]+)", _delete_blob),
    ("GET|HEAD", rf"/v2/{NAME}/manifests/(?P<reference>[^/]+)", _get_manifest),
    ("PUT", rf"/v2/{NAME}/manifests/(?P<reference>[^/]+)", _put_manifest),
    ("DELETE", rf"/v2/{NAME}/manifests/(?P<reference>[^/]+)", _delete_manifest),
    ("GET", rf"/v2/{NAME}/tags/list", _tags),
    ("GET", "/v2/_catalog", _catalog),
    ("GET", rf"/v2/{NAME}/referrers/(?P<digest>[^/]+)", _referrers),
)
