"""What the machine can do at most: curl alone, and curl while another process hashes the same bytes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.clients.tool import Job, Tool

_PROGRAMS = Path(__file__).parent / "programs"
_FOLLOW = str(_PROGRAMS / "follow.py")
_FLOOR = str(_PROGRAMS / "floor.py")
_CURL_PUSH = str(_PROGRAMS / "curl_push.py")


def _curl(job: Job, *, discard: bool = False) -> list[str]:
    config = job.folder / "curl.conf"
    blobs = f"{job.endpoint.url}/v2/{job.repository}/blobs"
    if not discard:
        job.output.mkdir()
    targets = [Path("/dev/null") if discard else job.output / layer.title for layer in job.model.layers]
    entries = zip(job.model.layers, targets, strict=True)
    config.write_text("".join(f'url = "{blobs}/{layer.digest}"\noutput = "{target}"\n' for layer, target in entries))
    parallel = ["--parallel"] if len(targets) > 1 else []
    return ["curl", "--silent", "--show-error", "--fail", *_trust(job), *parallel, "--config", str(config)]


def _trust(job: Job) -> list[str]:
    return ["--cacert", str(job.endpoint.ca)] if job.endpoint.ca else []


def _curl_discard(job: Job) -> list[str]:
    return _curl(job, discard=True)


def _curl_and_hash(job: Job) -> list[str]:
    plan = job.folder / "plan.json"
    plan.write_text(json.dumps([[str(job.output / b.title), b.size, b.digest] for b in job.model.layers]))
    return [sys.executable, "-S", _FOLLOW, str(plan), *_curl(job)]


def _curl_push(job: Job, *, known: bool = False) -> list[str]:
    plan = job.folder / "plan.json"
    blobs = [[str(b.path), b.digest] for b in (*job.model.layers, job.model.config)]
    manifest = str(job.model.manifest.path)
    target = f"{job.endpoint.url}/v2/{job.repository}"
    document = {"target": target, "blobs": blobs, "manifest": manifest, "known": known, "options": _trust(job)}
    plan.write_text(json.dumps(document))
    return [sys.executable, "-S", _CURL_PUSH, str(plan)]


def _curl_push_known(job: Job) -> list[str]:
    return _curl_push(job, known=True)


def _sendfile(job: Job) -> list[str]:
    command = _curl_push(job, known=True)
    return [_FLOOR if part == _CURL_PUSH else part for part in command]


LIMITS = (
    Tool("curl + SHA-256 beside it", "pull", "files", _curl_and_hash, programs=("curl",), limit=True),
    Tool("curl", "pull", "files", _curl, programs=("curl",), limit=True),
    Tool("curl, to /dev/null", "pull", "nothing", _curl_discard, programs=("curl",), limit=True, writes=False),
    Tool(
        "curl + openssl beside it", "push", "files", _curl_push, programs=("curl", "openssl"), most_files=16, limit=True
    ),
    Tool("curl, digest known", "push", "OCI layout", _curl_push_known, programs=("curl",), most_files=16, limit=True),
    Tool("sendfile, digest known", "push", "OCI layout", _sendfile, limit=True, tls=False),
)
