"""What the environment says: the only place where variables and home folders are read. The library gets values."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelpack.store import Proxies


def default_store() -> Path:
    """``MODELPACK_STORE``, or the user's data folder (XDG base directory specification)."""
    if chosen := os.environ.get("MODELPACK_STORE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "modelpack"


def cache_folder() -> Path:
    """What may be deleted at any time (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelpack"


def docker_config() -> Path:
    """Where docker keeps credentials; ``REGISTRY_AUTH_FILE`` is podman's word for the same file."""
    if chosen := os.environ.get("REGISTRY_AUTH_FILE"):
        return Path(chosen)
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def proxies() -> Proxies:
    """``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``, in either case; ``ALL_PROXY`` for both."""
    from modelpack.store import Proxies

    everything = _either("ALL_PROXY")
    return Proxies(
        # HTTP_PROXY in capitals can be set by a request's `Proxy:` header in CGI; curl reads only the small one.
        http=_either("HTTP_PROXY") if "REQUEST_METHOD" not in os.environ else os.environ.get("http_proxy", everything),
        https=_either("HTTPS_PROXY") or everything,
        no_proxy=tuple(rule for rule in _either("NO_PROXY").replace(",", " ").split() if rule),
    )


def source_date() -> datetime | None:
    """``SOURCE_DATE_EPOCH`` (reproducible-builds.org), if it is set. Raises InputError if it is not a number of seconds."""
    from modelpack import InputError

    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    try:
        return datetime.fromtimestamp(int(text), UTC) if text else None
    except (ValueError, OverflowError, OSError):
        raise InputError(f"SOURCE_DATE_EPOCH is {text[:40]!r}, not a number of seconds") from None


def hub_token() -> str:
    """``HF_TOKEN``, or what ``hf auth login`` left."""
    if token := os.environ.get("HF_TOKEN"):
        return token
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    try:
        return Path(os.environ.get("HF_TOKEN_PATH") or home / "token").read_text().strip()
    except OSError:
        return ""


def hub_endpoint() -> str:
    """``HF_ENDPOINT``: a mirror of the Hugging Face Hub."""
    return os.environ.get("HF_ENDPOINT", "")


def hub_cache() -> Path:
    """Where Hub snapshots are kept."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


def debugging() -> bool:
    """``MODELPACK_DEBUG=1``: show tracebacks."""
    return os.environ.get("MODELPACK_DEBUG", "") not in ("", "0")


def _either(name: str) -> str:
    return os.environ.get(name.lower()) or os.environ.get(name) or ""
