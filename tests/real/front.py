"""nginx in front of a registry: it ends TLS, asks for a password, and sends clients to another host for blobs."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.real.certificates import Authority
from tests.real.process import free_port, serving
from tests.real.registries import Registry
from tests.real.tools import tool

USERNAME, PASSWORD = "robot", "s3cret"

CONFIG = """
{user}
worker_processes 1;
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_certificate {certificate}; ssl_certificate_key {key};
  client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1;
  log_format seen escape=json '{{"method":"$request_method","path":"$uri","query":"$args","status":$status,'
    '"authorization":"$http_authorization","host":"$http_host","range":"$http_range"}}';
  server {{
    listen 127.0.0.1:{port} ssl;
    access_log {folder}/front.log seen;
    auth_basic "tests"; auth_basic_user_file {folder}/htpasswd;
    location / {{
      proxy_pass http://{backend};
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https; proxy_set_header Authorization "";
    }}
    location ~ ^/v2/.+/blobs/sha256:[0-9a-f]+$ {{
      if ($request_method = GET) {{ return 307 https://localhost:{blob_port}$uri?signature=abc; }}
      proxy_pass http://{backend};
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https; proxy_set_header Authorization "";
    }}
  }}
  server {{
    listen 127.0.0.1:{blob_port} ssl;
    access_log {folder}/blobs.log seen;
    location / {{
      if ($http_authorization) {{ return 400; }}
      if ($arg_signature != abc) {{ return 403; }}
      proxy_pass http://{backend}; proxy_set_header Host $http_host; proxy_set_header Authorization "";
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Front:
    """``registry`` is what clients talk to; ``blob_host`` (``localhost:PORT``) serves what it redirects to."""

    registry: Registry
    blob_host: str
    folder: Path

    def seen_by_registry(self) -> list[dict[str, str]]:
        """Requests that the first host got: method, path, query, status, authorization, host, range."""
        return _read(self.folder / "front.log")

    def seen_by_blob_host(self) -> list[dict[str, str]]:
        """Requests that the other host got. As storage does, it answers 400 to an Authorization header."""
        return _read(self.folder / "blobs.log")


@contextlib.contextmanager
def redirecting_front(backend: Registry, authority: Authority) -> Iterator[Front]:
    """Start nginx before a registry that speaks plain HTTP and lets everybody in."""
    with tempfile.TemporaryDirectory(prefix="front-") as name:
        folder = Path(name)
        blob_port = free_port()
        (folder / "htpasswd").write_text(f"{USERNAME}:{{PLAIN}}{PASSWORD}\n")

        def command(port: int) -> list[str]:
            values = {"folder": folder, "certificate": authority.server, "key": authority.server_key, "port": port}
            values |= {"blob_port": blob_port, "backend": backend.host, "user": "" if os.getuid() else "user root;"}
            (folder / "nginx.conf").write_text(CONFIG.format(**values))
            return [tool("nginx"), "-p", name, "-e", "stderr", "-c", f"{name}/nginx.conf", "-g", "daemon off;"]

        with serving(command, folder) as port:
            registry = Registry("nginx", f"127.0.0.1:{port}", authority.ca, USERNAME, PASSWORD)
            yield Front(registry, f"localhost:{blob_port}", folder)


def _read(log: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in log.read_text().splitlines()]
