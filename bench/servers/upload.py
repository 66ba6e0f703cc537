"""Put a model into a registry, with the standard library alone: what fills the servers must not be what is measured."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from bench.models import MANIFEST_TYPE, TAG, Blob, Model
from bench.servers.process import Endpoint


def upload(model: Model, endpoint: Endpoint) -> None:
    """Push it as ``bench/NAME:v1``. Raises RuntimeError if the registry refuses."""
    context = ssl.create_default_context(cafile=str(endpoint.ca)) if endpoint.ca else None
    connection: http.client.HTTPConnection
    if context:
        connection = http.client.HTTPSConnection(endpoint.host, context=context, timeout=300)
    else:
        connection = http.client.HTTPConnection(endpoint.host, timeout=300)
    connection.blocksize = 256 * 1024
    try:
        for blob in (*model.layers, model.config):
            _upload_blob(connection, f"/v2/bench/{model.name}/blobs/uploads/", blob)
        headers = {"Content-Type": MANIFEST_TYPE}
        path = f"/v2/bench/{model.name}/manifests/{TAG}"
        _request(connection, "PUT", path, model.manifest.path.read_bytes(), headers)
    finally:
        connection.close()


def _upload_blob(connection: http.client.HTTPConnection, uploads: str, blob: Blob) -> None:
    where = urlsplit(_request(connection, "POST", uploads, b"", {}))
    query = f"{where.query}&" if where.query else ""
    target = f"{where.path}?{query}digest={blob.digest.replace(':', '%3A')}"
    with blob.path.open("rb") as file:
        headers = {"Content-Length": str(blob.size), "Content-Type": "application/octet-stream"}
        _request(connection, "PUT", target, file, headers)


def _request(
    connection: http.client.HTTPConnection, method: str, path: str, body: object, headers: Mapping[str, str]
) -> str:
    connection.request(method, path, body, dict(headers))  # type: ignore[arg-type]  # bytes or a file
    response = connection.getresponse()
    said = response.read()
    if response.status not in {201, 202}:
        raise RuntimeError(f"{method} {path}: {response.status} {said[:200]!r}")
    return response.getheader("Location", "")
