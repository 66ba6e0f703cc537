"""A registry that behaves well until told otherwise, to see what a client does when things go wrong.

It lives in the test's process, holds everything in memory and listens on a free loopback port::

    from tests.faults import FaultyRegistry, Features, Guard, effects

    with FaultyRegistry() as registry:
        repository = registry.repository("models/tiny")
        digest = repository.add_blob(b"weights")
        registry.on("GET", "/blobs/", effects.cut(3, "reset"))            # the first GET of a blob breaks after 3 bytes
        registry.on("PUT", "/manifests/", effects.status(503), times=2)   # twice; then it works
        registry.on("PATCH", "/uploads/", effects.expired_token(), skip=1)
        ...                                                               # run the client against registry.host
        assert registry.count("GET", "/blobs/") == 2
        assert registry.requests[-1].headers["range"] == "bytes=3-"

* ``registry.host`` is ``127.0.0.1:PORT``, ``registry.url`` has the scheme, ``registry.repository(name)`` is content.
* ``Features`` switches what registries differ in: referrers, PATCH, ranges, DELETE, mounts, upload locations, pages.
* ``Guard("token", "user", "secret")`` or ``Guard("basic", …)`` asks for credentials; ``guard.tokens.clear()`` makes
  all tokens expire.
* ``effects`` has the misbehaviours. A fault is a function from :class:`Exchange` to :class:`Reply`; write your own
  where none fits. The first matching rule that still applies acts; each rule counts every request that it matches.
* ``tls`` takes a server's ``ssl.SSLContext``.
* Two registries make a redirect to another host; a record of ``requests`` shows which headers arrived there.
"""

from __future__ import annotations

from tests.faults import effects
from tests.faults.content import Features, Repository
from tests.faults.effects import Exchange, Fault
from tests.faults.guard import Guard
from tests.faults.messages import Reply, Request, error
from tests.faults.registry import FaultyRegistry, Rule

__all__ = [
    "Exchange",
    "Fault",
    "FaultyRegistry",
    "Features",
    "Guard",
    "Reply",
    "Repository",
    "Request",
    "Rule",
    "effects",
    "error",
]
