"""nginx as the fastest origin of pulls: the blobs of OCI layouts as static files, and the same files as a model hub's."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.measure import find
from bench.models import MANIFEST_TYPE, TAG, Blob, Model
from bench.servers.authority import Authority
from bench.servers.process import Endpoint, serving

_COMMIT = "0" * 39 + "1"
_MAIN = """{user}
daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  default_type application/octet-stream;
  map_hash_max_size 65536; map_hash_bucket_size 256;
  map $uri $sha256 {{
{tags}  }}
  server {{
    listen 127.0.0.1:{port}{tls};
    location = /v2/ {{ return 200 "{{}}"; }}
{locations}  }}
}}
"""
_REGISTRY = """    location ~ "^/v2/bench/{name}/blobs/sha256:([0-9a-f]+)$" {{
      alias {layout}/blobs/sha256/$1;
      add_header Docker-Content-Digest sha256:$1;
    }}
    location ~ "^/v2/bench/{name}/manifests/({tag}|{digest})$" {{
      alias {manifest};
      default_type {manifest_type};
      add_header Docker-Content-Digest {digest};
    }}
"""
# A hub names the commit of every file and, as its entity tag, the SHA-256 of a large one.
_HUB = """    location ~ "^/bench/{name}/resolve/[^/]+/(.+)$" {{
      alias {files}/$1;
      add_header X-Repo-Commit {commit};
      add_header X-Linked-Etag $sha256;
    }}
    location ~ "^/api/models/bench/{name}/revision/[^/]+$" {{
      default_type application/json;
      alias {info};
    }}
    location ~ "^/api/models/bench/{name}/tree/[^/]+$" {{
      default_type application/json;
      alias {tree};
    }}
"""


@contextlib.contextmanager
def origin(models: list[Model], work: Path, authority: Authority | None = None) -> Iterator[Endpoint]:
    """Serve models read-only as ``bench/NAME:v1`` of a registry and as ``bench/NAME`` of a hub."""
    with tempfile.TemporaryDirectory(prefix="origin-", dir=work) as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        tags = "".join(_tags(model) for model in models)
        locations = "".join(_locations(model, folder) for model in models)

        def command(port: int) -> list[str]:
            certificate = ""
            if authority:
                certificate = f" ssl; ssl_certificate {authority.certificate}; ssl_certificate_key {authority.key}"
            user = "user root;" if os.geteuid() == 0 else ""  # the data may be where only root reads
            text = _MAIN.format(user=user, port=port, tls=certificate, locations=locations, tags=tags)
            (folder / "nginx.conf").write_text(text)
            return [find("nginx") or "nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]

        with serving(command, folder) as (port, group):
            yield Endpoint("origin", f"127.0.0.1:{port}", authority.ca if authority else None, (group,))


def _tags(model: Model) -> str:
    base = f"/bench/{model.name}/resolve/{_COMMIT}"
    return "".join(f'    "{base}/{b.title}" \'"{b.digest.removeprefix("sha256:")}"\';\n' for b in model.layers)


def _locations(model: Model, folder: Path) -> str:
    info, tree = folder / f"{model.name}.json", folder / f"{model.name}-tree.json"
    siblings = [{"rfilename": layer.title} for layer in model.layers]
    document = {"id": f"bench/{model.name}", "sha": _COMMIT, "siblings": siblings, "tags": [], "downloads": 0}
    info.write_text(json.dumps(document))
    tree.write_text(json.dumps([_tree_entry(layer) for layer in model.layers]))
    registry = _REGISTRY.format(
        name=model.name, layout=model.layout, manifest=model.manifest.path, digest=model.manifest.digest,
        manifest_type=MANIFEST_TYPE, tag=TAG,
    )  # fmt: skip
    return registry + _HUB.format(name=model.name, files=model.files, commit=_COMMIT, info=info, tree=tree)


def _tree_entry(layer: Blob) -> dict[str, Any]:
    large = {"oid": layer.digest.removeprefix("sha256:"), "size": layer.size, "pointerSize": 130}
    return {"type": "file", "path": layer.title, "size": layer.size, "oid": "0" * 40, "lfs": large}
