"""modelpack: its command line, and a script of two lines around the library."""

from __future__ import annotations

import sys

from bench.clients.tool import Job, Tool

_COMMAND = [sys.executable, "-m", "modelpack_cli.main"]
_LIBRARY = """
import sys, modelpack
ca = sys.argv[3] or None
access = modelpack.Access(http=modelpack.HttpOptions(plain_http=not ca, tls=modelpack.TLS(ca_file=ca)))
modelpack.pull(sys.argv[1], sys.argv[2], policy=modelpack.InsecureAcceptAnything(), access=access)
"""


def _tls(job: Job) -> list[str]:
    return ["--ca-file", str(job.endpoint.ca)] if job.endpoint.ca else ["--plain-http"]


def _pull(job: Job) -> list[str]:
    return [*_COMMAND, "pull", job.reference, "-o", str(job.output), "-q", *_tls(job)]


def _pull_library(job: Job) -> list[str]:
    return [sys.executable, "-c", _LIBRARY, job.reference, str(job.output), str(job.endpoint.ca or "")]


def _copy_here(job: Job) -> list[str]:
    return [*_COMMAND, "copy", job.reference, f"oci:{job.output}:v1", "-q", *_tls(job)]


def _push(job: Job) -> list[str]:
    store = ["--store", str(job.model.layout)]
    return [*_COMMAND, "push", job.model.local_name, job.reference, *store, "-q", *_tls(job)]


def _pack_push(job: Job) -> list[str]:
    kind = ["--kind", "*.bin=weight"]
    return [*_COMMAND, "pack", str(job.model.files), "-t", job.reference, "--push", *kind, "-q", *_tls(job)]


OURS = (
    Tool("modelpack pull", "pull", "files", _pull),
    Tool("modelpack library", "pull", "files", _pull_library),
    Tool("modelpack copy", "pull", "OCI layout", _copy_here),
    Tool("modelpack push", "push", "OCI layout", _push),
    Tool("modelpack pack --push", "push", "files", _pack_push),
)
