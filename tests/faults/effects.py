"""The misbehaviours. Each function returns a fault: what happens instead of, or to, the right answer.

A fault that never asks for ``exchange.answer()`` keeps the registry from doing what was asked: a 503 on a PUT stores
nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

from tests.faults.messages import Ending, Reply, Request, error
from tests.faults.wire import HangUp, Incoming

if TYPE_CHECKING:
    from tests.faults.registry import FaultyRegistry


@dataclass(slots=True)
class Exchange:
    """One request on its way to an answer."""

    registry: FaultyRegistry
    request: Request
    incoming: Incoming

    def answer(self) -> Reply:
        """Let the registry do what was asked; its right answer."""
        return self.registry.answer(replace(self.request, body=self.incoming.read()))

    def content(self) -> tuple[Reply, bytes]:
        """The right answer, and its body."""
        reply = self.answer()
        assert isinstance(reply.body, bytes)
        return reply, reply.body


Fault = Callable[[Exchange], Reply]


def reply(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Fault:
    """Any answer at all, instead of the right one."""
    return lambda _: Reply(status, headers or {}, body)


def status(code: int, *, retry_after: float | None = None, as_date: bool = False) -> Fault:
    """An error instead of the answer; ``retry_after`` in seconds, sent as a number or as an HTTP date."""

    def fault(_: Exchange) -> Reply:
        if retry_after is None:
            return error(code, "UNAVAILABLE")
        when = datetime.now(UTC) + timedelta(seconds=retry_after)
        return error(
            code,
            "TOOMANYREQUESTS",
            headers={"Retry-After": format_datetime(when, usegmt=True) if as_date else f"{retry_after:g}"},
        )

    return fault


def expired_token() -> Fault:
    """All tokens given out so far stop working, and this request is the first to be told (401)."""

    def fault(exchange: Exchange) -> Reply:
        exchange.registry.guard.tokens.clear()
        return exchange.registry.guard.challenge(exchange.request, exchange.registry.url)

    return fault


def wrong_bytes(at: int = 0) -> Fault:
    """The right number of bytes, one of them wrong."""

    def fault(exchange: Exchange) -> Reply:
        right, body = exchange.content()
        return replace(right, body=body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])

    return fault


def body(data: bytes) -> Fault:
    """Other content with the right headers; Content-Length fits the content."""
    return lambda exchange: replace(exchange.answer(), body=data)


def cut(after: int, ending: Ending = "close") -> Fault:
    """The headers and the first ``after`` bytes of the body, then the end: close (FIN), reset (RST), stall, or keep."""

    def fault(exchange: Exchange) -> Reply:
        right, whole = exchange.content()
        headers = {**right.headers, "Content-Length": str(len(whole))}
        return replace(right, headers=headers, body=whole[:after], ending=ending)

    return fault


def length(difference: int) -> Fault:
    """A Content-Length that is off by some bytes; the whole body is sent, then the connection closes."""

    def fault(exchange: Exchange) -> Reply:
        right, whole = exchange.content()
        headers = {**right.headers, "Content-Length": str(len(whole) + difference)}
        return replace(right, headers=headers, ending="close")

    return fault


def drip(size: int, pause: float) -> Fault:
    """The right answer, ``size`` bytes at a time, ``pause`` seconds apart."""
    return lambda exchange: replace(exchange.answer(), slice=size, pause=pause)


def silence() -> Fault:
    """Nothing, ever. What was asked is not done."""
    return lambda _: Reply(raw=(), ending="stall")


def deaf() -> Fault:
    """The request's body is not read, so that a client with a large one cannot go on; nothing is done or answered."""

    def fault(exchange: Exchange) -> Reply:
        exchange.registry.closing.wait()
        raise HangUp(reset=True)

    return fault


def delay(seconds: float) -> Fault:
    """The right answer, late."""

    def fault(exchange: Exchange) -> Reply:
        exchange.registry.closing.wait(seconds)
        return exchange.answer()

    return fault


def hang_up(*, received: int = 0, reset: bool = True) -> Fault:
    """The connection breaks after ``received`` bytes of the request's body; nothing is done, nothing answered."""

    def fault(exchange: Exchange) -> Reply:
        exchange.incoming.discard(received)
        raise HangUp(reset=reset)

    return fault


def lost_answer(*, reset: bool = True) -> Fault:
    """What was asked is done, but the answer never arrives."""

    def fault(exchange: Exchange) -> Reply:
        exchange.answer()
        raise HangUp(reset=reset)

    return fault


def header(name: str, value: str) -> Fault:
    """The right answer with one header set to something else: a wrong Content-Range, a bad Location."""

    def fault(exchange: Exchange) -> Reply:
        right = exchange.answer()
        kept = {key: old for key, old in right.headers.items() if key.lower() != name.lower()}
        return replace(right, headers={**kept, name: value})

    return fault


def wrong_digest() -> Fault:
    """A Docker-Content-Digest that is not the content's."""
    return header("Docker-Content-Digest", f"sha256:{'0' * 64}")


def ignored_range() -> Fault:
    """200 and everything, although a range was asked for."""

    def fault(exchange: Exchange) -> Reply:
        asked = {key: value for key, value in exchange.request.headers.items() if key != "range"}
        exchange.request = replace(exchange.request, headers=asked)
        return exchange.answer()

    return fault


def redirect(location: str, code: int = 307) -> Fault:
    """Go elsewhere. ``{path}`` in the location stands for the request's path, ``{count}`` for how often it happened."""
    counter = itertools.count(1)
    return lambda exchange: Reply(code, {"Location": location.format(path=exchange.request.path, count=next(counter))})


def many_headers(count: int, size: int = 16) -> Fault:
    """``count`` headers of ``size`` bytes before the body: a huge one, many small ones, or both without end."""

    def parts() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        for number in range(count):
            yield b"X-%d: %s\r\n" % (number, b"x" * size)
        yield b"Content-Length: 0\r\n\r\n"

    return lambda _: Reply(raw=parts(), ending="close")


def flood(size: int, *, content_type: str = "application/json", declared: bool = True) -> Fault:
    """``size`` bytes of blanks, made as they are sent; with a Content-Length, or in chunked coding."""
    part = b" " * (64 << 10)
    rounds = max(1, size // len(part))

    def fault(_: Exchange) -> Reply:
        headers = {"Content-Type": content_type}
        if declared:
            return Reply(200, headers | {"Content-Length": str(rounds * len(part))}, itertools.repeat(part, rounds))
        chunk = b"%x\r\n%s\r\n" % (len(part), part)
        parts = itertools.chain(itertools.repeat(chunk, rounds), [b"0\r\n\r\n"])
        return Reply(200, headers | {"Transfer-Encoding": "chunked"}, parts)

    return fault


def nested_json(depth: int = 100_000) -> Fault:
    """A document of nothing but opening brackets and their closing ones, with the headers of the right answer."""
    return body(b"[" * depth + b"]" * depth)


def chunked(data: bytes = b"zz\r\nnot a chunk\r\n") -> Fault:
    """A body in chunked transfer coding, written as given: garbage unless you say otherwise."""

    def fault(exchange: Exchange) -> Reply:
        headers = {key: value for key, value in exchange.answer().headers.items() if key.lower() != "content-length"}
        return Reply(200, {**headers, "Transfer-Encoding": "chunked"}, data, ending="close")

    return fault


def raw(data: bytes, ending: Ending = "close") -> Fault:
    """These bytes in place of an HTTP answer."""
    return lambda _: Reply(raw=(data,), ending=ending)
