"""What the environment says: the only place where variables and home folders are read. The library gets values."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelpack.store import Proxies


def default_store() -> Path:
    """The local store, if neither ``--store`` nor ``MODELPACK_STORE`` names another (XDG base directory specification)."""
    return Path(os.environ.get("XDG_DATA_HOME") or _home() / ".local" / "share") / "modelpack"


def cache_folder() -> Path:
    """What may be deleted at any time (XDG base directory specification)."""
    return _caches() / "modelpack"


def docker_config() -> Path:
    """Where docker keeps credentials; ``REGISTRY_AUTH_FILE`` is podman's word for the same file,
    ``KSERVE_OCI_DOCKER_CONFIG`` KServe's for the one that it mounts.
    """
    if chosen := os.environ.get("REGISTRY_AUTH_FILE") or os.environ.get("KSERVE_OCI_DOCKER_CONFIG"):
        return Path(chosen)
    return Path(os.environ.get("DOCKER_CONFIG") or _home(_NOBODYS) / ".docker") / "config.json"


def proxies() -> Proxies:
    """``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``, in either case; ``ALL_PROXY`` for both."""
    from modelpack.store import Proxies

    everything = _either("ALL_PROXY")
    return Proxies(
        # HTTP_PROXY in capitals can be set by a request's `Proxy:` header in CGI; curl reads only the small one.
        http=(os.environ.get("http_proxy") if "REQUEST_METHOD" in os.environ else _either("HTTP_PROXY")) or everything,
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


def variable(name: str) -> str | None:
    """A variable that the user named."""
    return os.environ.get(name)


def key_password() -> str | None:
    """The password of a signing key; ``COSIGN_PASSWORD`` is cosign's word for it. An empty one is a password too."""
    return os.environ.get("MODELPACK_KEY_PASSWORD", os.environ.get("COSIGN_PASSWORD"))


def identity_token() -> str:
    """A token for signing keyless: ``SIGSTORE_ID_TOKEN``, or the one that GitHub Actions, GitLab CI, Google Cloud, Buildkite or
    CircleCI give to a job. Raises InputError if there is none, or if it could not be fetched.
    """
    from modelpack import InputError

    if token := os.environ.get("SIGSTORE_ID_TOKEN"):
        return token
    hint = "set SIGSTORE_ID_TOKEN; in GitHub Actions the job needs the permission id-token: write"
    try:
        import id as ambient  # comes with the extra keyless
    except ImportError:
        raise InputError(
            "signing keyless needs the extra keyless", hint="pip install 'modelpack-toolkit[keyless]'"
        ) from None
    try:
        token = ambient.detect_credential("sigstore")
    except Exception:  # noqa: BLE001 - its own errors and those of HTTP and files; what they say may hold credentials
        raise InputError("this job is promised an identity token, and cannot get it", hint=hint) from None
    if not token:
        raise InputError("there is no identity token here", hint=hint)
    return token


def hub_token() -> str:
    """``HF_TOKEN``, or what ``hf auth login`` left."""
    if token := os.environ.get("HF_TOKEN"):
        return token
    try:
        return Path(os.environ.get("HF_TOKEN_PATH") or _hub_home() / "token").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def hub_endpoint() -> str:
    """``HF_ENDPOINT``: a mirror of the Hugging Face Hub."""
    return os.environ.get("HF_ENDPOINT", "")


def hub_cache() -> Path:
    """Where Hub snapshots are kept."""
    return Path(os.environ.get("HF_HUB_CACHE") or _hub_home() / "hub")


def certificate_bundle() -> Path | None:
    """Certificate authorities that KServe mounts (``CA_BUNDLE_VOLUME_MOUNT_POINT``), or those that ``REQUESTS_CA_BUNDLE`` names.
    Those of ``SSL_CERT_FILE`` are the system's, for OpenSSL.
    """
    if folder := os.environ.get("CA_BUNDLE_VOLUME_MOUNT_POINT"):
        return Path(folder) / "cabundle.crt"
    named = os.environ.get("REQUESTS_CA_BUNDLE")
    return Path(named) if named else None


def debugging() -> bool:
    """``MODELPACK_DEBUG=1``: show tracebacks."""
    return os.environ.get("MODELPACK_DEBUG", "") not in ("", "0")


def _either(name: str) -> str:
    return os.environ.get(name.lower()) or os.environ.get(name) or ""


def _hub_home() -> Path:
    return Path(os.environ.get("HF_HOME") or _caches() / "huggingface")


def _caches() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or _home(_NOBODYS) / ".cache")


_NOBODYS = Path("/")
"""What container runtimes give as the home of a user whom the image does not know: nothing is there, which is fine for what is
only looked for.
"""


def _home(otherwise: Path | None = None) -> Path:
    """The user's folder. Raises InputError unless there is another: a container may run as a user that nobody told it of."""
    from modelpack import InputError

    try:
        return Path.home()
    except RuntimeError:
        if otherwise is not None:
            return otherwise
        raise InputError("this user has no home folder", hint="set HOME") from None
