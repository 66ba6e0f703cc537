"""Upload sessions of one repository: what the distribution specification has for them, one request each.

distribution-spec 1.1, "Pushing Blobs". Locations may be relative; each is resolved against the request and must stay on the
registry's host.
"""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

from modelpack.errors import AccessDenied, ModelPackError, NotFound, RegistryError
from modelpack.oci import Descriptor, Digest
from modelpack.store.http import Body, Client, Request, Response
from modelpack.store.registry.host import Registry
from modelpack.store.registry.pieces import reported_offset

_CREATED = frozenset({201, 202, 204})
_CONTENT = {"Content-Type": "application/octet-stream"}


class Sessions:
    """Upload sessions of one repository. ``base`` is where they begin."""

    def __init__(self, registry: Registry, repository: str) -> None:
        self.base = f"{registry.url}/v2/{repository}/blobs/uploads/"
        self._registry = registry
        self._scope = f"repository:{repository}:pull,push"

    @property
    def client(self) -> Client:
        """For requests to the registry."""
        return self._registry.client

    def begin(self) -> str:
        """The location of a new session."""
        response = self.client.send(Request("POST", self.base, self._scope, expect=_CREATED))
        response.drain()
        return self._location(response, self.base)

    def patch(self, location: str, headers: dict[str, str], body: Body) -> str:
        """Send bytes, once: what failed half-way has perhaps moved the registry's offset. Returns where to go on."""
        request = Request("PATCH", location, self._scope, {**_CONTENT, **headers}, body, _CREATED, repeatable=False)
        response = self.client.send(request)
        response.drain()
        return self._location(response, location)

    def offset(self, location: str) -> tuple[int, str]:
        """How many bytes a session has, and where it goes on. Raises NotFound if it has ended.

        The location is perhaps an old note: it must still be on the registry's host (UnsupportedFormat).
        """
        location = self._registry.join(self.base, location)
        response = self.client.send(Request("GET", location, self._scope, expect=_CREATED | {200}))
        response.drain()
        return reported_offset(response.headers.get("range", "")), self._location(response, location)

    def finish(self, location: str, digest: Digest, body: Body | None = None) -> str:
        """Name what was sent, or what is sent with this: once, as :meth:`patch`. Which digest the registry found it to have;
        ``""`` if it does not say.
        """
        url = f"{location}{'&' if '?' in location else '?'}digest={digest}"
        headers = _CONTENT if body else {}
        response = self.client.send(Request("PUT", url, self._scope, headers, body, _CREATED, repeatable=False))
        response.drain()
        return response.headers.get("docker-content-digest", "")

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        """Take a blob from a sibling repository. False if the registry would rather have it uploaded."""
        url = f"{self.base}?mount={descriptor.digest}&from={quote(repository)}"
        scope = f"{self._scope} repository:{repository}:pull"
        try:
            response = self.client.send(Request("POST", url, scope, expect=_CREATED))
        except (AccessDenied, NotFound, RegistryError):
            return False
        response.drain()
        if response.status == 201:
            return True
        self._cancel(response)
        return False

    def _cancel(self, response: Response) -> None:
        with suppress(ModelPackError):  # sessions that nobody finishes expire
            location = self._location(response, self.base)
            self.client.send(Request("DELETE", location, self._scope, expect=_CREATED, repeatable=False)).drain()

    def _location(self, response: Response, base: str) -> str:
        return self._registry.join(base, response.headers.get("location", base))
