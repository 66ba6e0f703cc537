"""HTTP for registries: connections, retries, redirects, authentication, credentials."""

from modelpack.store.http.client import Client, Request
from modelpack.store.http.connections import Origin
from modelpack.store.http.credentials import Credential, Credentials, DockerConfig, StaticCredentials
from modelpack.store.http.options import TLS, HttpOptions, Proxies, split_host
from modelpack.store.http.response import Response
from modelpack.store.http.transport import Body, Transport

__all__ = [
    "TLS",
    "Body",
    "Client",
    "Credential",
    "Credentials",
    "DockerConfig",
    "HttpOptions",
    "Origin",
    "Proxies",
    "Request",
    "Response",
    "StaticCredentials",
    "Transport",
    "split_host",
]
