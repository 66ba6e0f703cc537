"""The registry itself: endpoints behind a guard, rules in front of both, and a record of what came in."""

from __future__ import annotations

import re
import ssl
import threading
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from tests.faults.content import Features, Repository
from tests.faults.effects import Exchange, Fault
from tests.faults.endpoints import Endpoints
from tests.faults.guard import Guard
from tests.faults.messages import Reply, Request
from tests.faults.wire import Incoming, Wire


@dataclass(slots=True)
class Rule:
    """A fault for some requests: those that match, after the first ``skip``, ``times`` times (None: always)."""

    method: str
    path: str
    fault: Fault
    skip: int
    times: int | None
    seen: int = 0

    def applies(self, request: Request) -> bool:
        """Whether this request meets the fault; counts it."""
        if not re.fullmatch(self.method, request.method) or not re.search(self.path, request.path):
            return False
        self.seen += 1
        return self.seen > self.skip and (self.times is None or self.seen <= self.skip + self.times)

    @property
    def fired(self) -> int:
        """How often the fault happened."""
        most = self.seen if self.times is None else self.times
        return min(max(0, self.seen - self.skip), most)


class FaultyRegistry:
    """A registry on a free loopback port. Use it as a context manager; leaving it raises what went wrong inside."""

    def __init__(
        self, features: Features | None = None, guard: Guard | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._wire = Wire(self._respond, tls)
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self.port = self._wire.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        self.guard = guard or Guard()
        self.requests: list[Request] = []
        self._endpoints = Endpoints(self.url, features or Features())

    def on(self, method: str, path: str, fault: Fault, *, skip: int = 0, times: int | None = 1) -> Rule:
        """Misbehave when a request has this method and path.

        Both are regular expressions; the method has to match in full, the path in any part. The first rule that applies
        is the only one to act. ``skip=1`` lets the first matching request pass.
        """
        rule = Rule(method, path, fault, skip, times)
        self._rules.append(rule)
        return rule

    def repository(self, name: str) -> Repository:
        """What the registry holds under a name, to fill or to look at."""
        return self._endpoints.repository(name)

    def count(self, method: str, path: str = "") -> int:
        """How many requests came in with this method and path."""
        return len(self.find(method, path))

    def find(self, method: str, path: str = "") -> list[Request]:
        """The requests that came in with this method and path."""
        return [one for one in self.requests if re.fullmatch(method, one.method) and re.search(path, one.path)]

    @property
    def connections(self) -> int:
        """How many connections were opened."""
        return self._wire.connections

    @property
    def busiest(self) -> int:
        """The most requests that were in progress at the same time."""
        return self._wire.busiest

    @property
    def closing(self) -> threading.Event:
        """Set when the registry stops; what waits has to wait for this too."""
        return self._wire.closing

    def answer(self, request: Request) -> Reply:
        """The right answer to a request."""
        if request.path == "/token":
            return self.guard.issue(request)
        refusal = self.guard.refusal(request, self.url)
        if refusal:
            return refusal
        with self._lock:
            return self._endpoints.answer(request)

    def _respond(self, request: Request, incoming: Incoming) -> Reply:
        with self._lock:
            applying = [rule for rule in self._rules if rule.applies(request)]
        exchange = Exchange(self, request, incoming)
        try:
            reply = applying[0].fault(exchange) if applying else exchange.answer()
            incoming.read()  # a body left unread would be taken for the next request
            return reply
        finally:
            with self._lock:
                self.requests.append(replace(request, body=incoming.received))

    def __enter__(self) -> Self:
        """Start to answer."""
        self._wire.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop, whatever is in flight."""
        self._wire.stop()
        if self._wire.errors and kind is None:
            raise self._wire.errors[0]
