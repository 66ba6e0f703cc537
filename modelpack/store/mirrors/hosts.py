"""containerd's ``hosts.toml`` (containerd's documentation, "Registry Configuration": ``docs/hosts.md``).

What differs: the registry that a reference names is always asked in the end, whatever ``server`` says; nothing is ever
pushed to a mirror; keys that we do not know are ignored.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from modelpack.errors import DocumentError, InputError
from modelpack.oci.fields import Fields
from modelpack.store.http import TLS
from modelpack.store.mirrors.mirror import Mirror, mirror_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelpack.oci import JSON

NAME = "hosts.toml"
MAX_FILE = 1 << 20
MAX_HOSTS = 64

_CAPABILITIES = frozenset({"pull", "resolve", "push"})
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_FRAMING = frozenset({"host", "connection", "content-length", "transfer-encoding", "range", "accept-encoding"})
"""Headers that say how a request is built, which is not for a file to decide."""


def load_hosts(folder: Path, registry: str) -> tuple[Mirror, ...]:
    """The mirrors of a registry (``host[:port]``), in the order of its ``hosts.toml``; none if there is no such file.

    The file is looked for in ``host_port_``, ``host:port`` and ``_default`` below ``folder``; the first of these that exists
    counts. Raises InputError (the folder is none, a file cannot be read), DocumentError.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder", hint="it should hold HOST/hosts.toml, as containerd's certs.d does"
        )
    found = next((place for name in _names(registry) if (place := folder / name).is_dir()), None)
    if found is None:
        return ()
    try:
        with (found / NAME).open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(f"cannot read {found / NAME}: {error.strerror}") from error
    return parse_hosts(data, found)


def parse_hosts(data: bytes, folder: Path) -> tuple[Mirror, ...]:
    """The mirrors that a ``hosts.toml`` names. Paths in it are relative to ``folder``. Raises DocumentError."""
    fields = Fields(_parse(data), NAME)
    table = fields.object("host")
    if len(table.value) > MAX_HOSTS:
        fields.fail("host", f"more than {MAX_HOSTS} hosts")
    mirrors = [_mirror(url, table.object(url), folder) for url in table.value]
    if server := fields.text("server", ""):
        mirrors.append(_mirror(server, fields, folder, key="server"))
    return tuple(mirrors)


def _names(registry: str) -> Iterator[str]:
    host, colon, port = registry.rpartition(":")
    if colon and host:
        yield f"{host}_{port}_"
    yield registry
    yield "_default"


def _parse(data: bytes) -> dict[str, JSON]:
    import tomllib

    if len(data) > MAX_FILE:
        raise DocumentError(NAME, "", f"more than {MAX_FILE} bytes")
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise DocumentError(NAME, "", "not UTF-8") from None
    except ValueError as error:
        raise DocumentError(NAME, "", f"not TOML: {str(error)[:200]}") from None
    except RecursionError:
        raise DocumentError(NAME, "", "nested too deeply") from None


def _mirror(url: str, fields: Fields, folder: Path, *, key: str = "") -> Mirror:
    able = _capabilities(fields)
    try:
        place = mirror_url(url if "://" in url else f"https://{url}", override_path=bool(fields.flag("override_path")))
    except ValueError as error:
        fields.fail(key, f"not the URL of a registry: {error}")
    return Mirror(place, "pull" in able, "resolve" in able, _tls(fields, folder), tuple(_headers(fields)))


def _capabilities(fields: Fields) -> frozenset[str]:
    """What it may be asked for; everything if that is left open."""
    named = frozenset(text.lower() for text in fields.texts("capabilities"))
    if unknown := named - _CAPABILITIES:
        fields.fail("capabilities", f"{min(unknown)[:80]!a} is none of pull, resolve, push")
    return named or _CAPABILITIES


def _tls(fields: Fields, folder: Path) -> TLS | None:
    """None if nothing is said about it."""
    if not fields.value.keys() & {"ca", "client", "skip_verify"}:
        return None
    authorities = [folder / text for text in _one_or_more(fields, "ca")]
    certificate, key = _client(fields, folder)
    return TLS(
        authorities[0] if authorities else None,
        certificate,
        key,
        insecure_skip_verify=bool(fields.flag("skip_verify")),
        more_ca_files=tuple(authorities[1:]),
    )


def _client(fields: Fields, folder: Path) -> tuple[Path | None, Path | None]:
    """``"both.pem"``, ``["both.pem"]`` or ``[["cert.pem", "key.pem"]]``."""
    value = fields.value.get("client")
    entries = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if not entries and value is not None:
        fields.fail("client", "a file, or an array of [certificate, key] is required")
    if len(entries) > 1:
        fields.fail("client", "more than one certificate is not supported")
    for entry in entries:
        match entry:
            case str(certificate) | [str(certificate), ""]:
                return folder / certificate, None
            case [str(certificate), str(key)]:
                return folder / certificate, folder / key
            case _:
                fields.fail("client[0]", "a file, or [certificate, key] is required")
    return None, None


def _headers(fields: Fields) -> Iterator[tuple[str, str]]:
    table = fields.object("header")
    for name in table.value:
        value = ", ".join(_one_or_more(table, name))
        if not _HEADER.fullmatch(name) or name.lower() in _FRAMING:
            table.fail(name, "not a header that can be set")
        if not value.isascii() or not value.isprintable():
            table.fail(name, "a header's value is printable ASCII")
        yield name, value


def _one_or_more(fields: Fields, key: str) -> tuple[str, ...]:
    value = fields.value.get(key)
    return (value,) if isinstance(value, str) else fields.texts(key)
