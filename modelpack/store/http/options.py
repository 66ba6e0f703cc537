"""How to reach registries: everything that a user may want to set, as values."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from modelpack.errors import InputError
from modelpack.store.http.throttle import Throttle


@dataclass(frozen=True, slots=True)
class TLS:
    """Whom to trust (besides those whom the system trusts) and who we are.

    ``insecure_skip_verify`` turns off every check of the server's certificate.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    insecure_skip_verify: bool = False
    more_ca_files: tuple[Path, ...] = ()

    def context(self) -> ssl.SSLContext:
        """A context for clients. Raises InputError if a file cannot be used."""
        try:
            context = ssl.create_default_context()
            for path in filter(None, (self.ca_file, *self.more_ca_files)):
                context.load_verify_locations(path)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"cannot use the CA or client certificate: {error.strerror or error}") from error
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class Proxies:
    """Proxy URLs by scheme of the target, and the hosts that are reached directly (``HTTP_PROXY`` conventions)."""

    http: str = ""
    https: str = ""
    no_proxy: tuple[str, ...] = ()

    def for_origin(self, scheme: str, host: str, port: int) -> str:
        """The proxy's URL, or ``""`` for a direct connection.

        A rule is ``*``, an address, a network (``10.0.0.0/8``) or a domain, which stands for the hosts below it too;
        ``:port`` may follow.
        """
        proxy = self.https if scheme == "https" else self.http
        return "" if not proxy or any(_matches(host.lower(), port, rule) for rule in self.no_proxy) else proxy


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Options of an HTTP client. Times are in seconds.

    ``plain_http``: True for HTTP, False for HTTPS, None for HTTP on loopback addresses only (unless TLS options are given).
    ``read_timeout`` bounds the silence between two reads, not the whole transfer; below ``minimum_rate`` bytes a second,
    averaged over it, a connection counts as silent too. ``retries`` is per request, and starts anew when bytes arrive.
    ``limit_rate`` (bytes a second, 0: none) holds for the bodies on all connections together, in both directions, of
    everything that is made with these options; ``throttle`` is what they share, and need not be given.
    """

    plain_http: bool | None = None
    tls: TLS = field(default_factory=TLS)
    proxies: Proxies = field(default_factory=Proxies)
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    minimum_rate: int = 256
    retries: int = 6
    backoff: float = 0.5
    longest_wait: float = 60.0
    user_agent: str = "modelpack"
    limit_rate: int = 0
    throttle: Throttle | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Make what the limit needs; options derived by ``replace`` go on with the same."""
        if self.limit_rate != (self.throttle.rate if self.throttle else 0):
            object.__setattr__(self, "throttle", Throttle(self.limit_rate) if self.limit_rate > 0 else None)

    def scheme(self, host: str) -> str:
        """``http`` or ``https`` for a registry host (``host[:port]``). Raises ValueError if it is not one."""
        plain = self.plain_http
        if plain is None:
            plain = self.tls == TLS() and is_loopback(split_host(host)[0])
        return "http" if plain else "https"


def split_host(host: str) -> tuple[str, int | None]:
    """``host[:port]`` to its parts; IPv6 addresses lose their brackets. Raises ValueError."""
    parts = urlsplit(f"//{host}")
    if parts.netloc != host or "@" in host:
        raise ValueError("not a host")
    return parts.hostname or "", parts.port


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine by definition."""
    address = parse_address(host)
    return host == "localhost" or host.endswith(".localhost") or (address is not None and address.is_loopback)


def parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address literal, or None for a name."""
    try:
        return ipaddress.ip_address(host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host)
    except ValueError:
        return None


def _matches(host: str, port: int, rule: str) -> bool:
    rule = rule.strip().lower()
    if rule == "*":
        return True
    address = parse_address(host)
    try:
        if "/" in rule:
            return address is not None and address in ipaddress.ip_network(rule, strict=False)
        name, wanted = (rule, None) if parse_address(rule) else split_host(rule)
    except ValueError:
        return False
    if wanted not in (None, port):
        return False
    if address is not None:
        return address == parse_address(name)
    name = name.removeprefix("*").removeprefix(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))
