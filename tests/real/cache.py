"""nginx as a pull-through cache of a registry, over TLS, for those who send the right header."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.real.certificates import Authority
from tests.real.process import serving
from tests.real.registries import Registry
from tests.real.tools import tool

HEADER, VALUE = "X-Team", "ml"

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
  proxy_cache_path {folder}/cache keys_zone=blobs:1m;
  log_format seen escape=json '{{"method":"$request_method","path":"$uri","query":"$args","status":"$status",'
    '"authorization":"$http_authorization","cache":"$upstream_cache_status","sent":"$body_bytes_sent"}}';
  server {{
    listen 127.0.0.1:{port} ssl;
    access_log {folder}/seen.log seen;
    if ($http_x_team != ml) {{ return 403; }}
    location / {{ return 404; }}
    location ~ ^/cache/v2/(.+/(blobs|manifests)/sha256:[0-9a-f]+)$ {{
      proxy_pass http://{backend}/v2/$1; proxy_http_version 1.1; proxy_set_header Authorization "";
      proxy_cache blobs; proxy_cache_valid 200 1h; proxy_cache_lock on; proxy_force_ranges on;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Cache:
    """``url`` is what clients are to be told; ``stored`` the folder where nginx keeps what it has."""

    url: str
    folder: Path

    @property
    def stored(self) -> list[Path]:
        """The files of the cache: a head of nginx's own, the answer's headers, and the body."""
        return [path for path in (self.folder / "cache").rglob("*") if path.is_file()]

    def seen(self) -> list[dict[str, str]]:
        """Requests: method, path, query, status, authorization, cache (MISS or HIT), sent (bytes)."""
        return [json.loads(line) for line in (self.folder / "seen.log").read_text().splitlines()]


@contextlib.contextmanager
def caching(backend: Registry, authority: Authority) -> Iterator[Cache]:
    """Start nginx before a registry that speaks plain HTTP and lets everybody in."""
    with tempfile.TemporaryDirectory(prefix="cache-") as name:
        folder = Path(name)

        def command(port: int) -> list[str]:
            values = {"folder": folder, "certificate": authority.server, "key": authority.server_key, "port": port}
            values |= {"backend": backend.host, "user": "" if os.getuid() else "user root;"}
            (folder / "nginx.conf").write_text(CONFIG.format(**values))
            return [tool("nginx"), "-p", name, "-e", "stderr", "-c", f"{name}/nginx.conf", "-g", "daemon off;"]

        with serving(command, folder) as port:
            yield Cache(f"https://127.0.0.1:{port}/cache", folder)
