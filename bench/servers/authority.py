"""A private certificate authority and a certificate for 127.0.0.1, made by openssl for one run."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Authority:
    """PEM files. ``ca`` is alone in its folder, under the name that skopeo looks for."""

    ca: Path
    certificate: Path
    key: Path


def make_authority(folder: Path) -> Authority:
    """Make one that is valid for two days."""
    trusted = folder / "trusted"
    trusted.mkdir(parents=True)
    made = Authority(trusted / "ca.crt", folder / "server.pem", folder / "server.key")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    authority_key = folder / "ca.key"
    _openssl("req", "-x509", *curve, "-subj", "/CN=bench CA", "-keyout", authority_key, "-out", made.ca)
    _openssl(
        "req", "-x509", *curve, "-subj", "/CN=127.0.0.1", "-CA", made.ca, "-CAkey", authority_key,
        "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
        "-keyout", made.key, "-out", made.certificate,
    )  # fmt: skip
    return made


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")
