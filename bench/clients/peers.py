"""Other clients, each used as its manual says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.clients.tool import Job, Tool
from bench.measure import find

_ORAS_PY = str(Path(__file__).parent / "programs" / "oras_py.py")


def _program(name: str) -> str:
    return find(name) or name


def _oras_tls(job: Job, prefix: str = "--") -> list[str]:
    return [f"{prefix}ca-file", str(job.endpoint.ca)] if job.endpoint.ca else [f"{prefix}plain-http"]


def _oras_pull(job: Job) -> list[str]:
    return [_program("oras"), "pull", job.reference, "-o", str(job.output), "--no-tty", *_oras_tls(job)]


def _oras_copy_here(job: Job) -> list[str]:
    target = ["--to-oci-layout", f"{job.output}:v1"]
    return [_program("oras"), "cp", job.reference, *target, "--no-tty", *_oras_tls(job, "--from-")]


def _oras_push(job: Job) -> list[str]:
    files = [f"{layer.title}:application/vnd.cncf.model.weight.v1.raw" for layer in job.model.layers]
    kind = ["--artifact-type", "application/vnd.cncf.model.manifest.v1+json"]
    command = [_program("oras"), "push", job.reference, *kind, "--no-tty", *_oras_tls(job), *files]
    return _inside(job.model.files, command)


def _oras_copy_there(job: Job) -> list[str]:
    source = ["--from-oci-layout", f"{job.model.layout}:v1"]
    return [_program("oras"), "cp", *source, job.reference, "--no-tty", *_oras_tls(job, "--to-")]


def _inside(folder: Path, command: list[str]) -> list[str]:
    return ["sh", "-c", 'cd "$0" && exec "$@"', str(folder), *command]


def _crane_pull(job: Job) -> list[str]:
    return [_program("crane"), "pull", "--format", "oci", job.reference, str(job.output)]


def _crane_push(job: Job) -> list[str]:
    # It reads the one manifest of a layout, and ours is listed under two names.
    entry = (job.model.layout / "index.json").read_text()
    layout = job.folder / "layout"
    layout.mkdir()
    (layout / "blobs").symlink_to(job.model.layout / "blobs")
    (layout / "oci-layout").symlink_to(job.model.layout / "oci-layout")
    document = json.loads(entry)
    document["manifests"] = document["manifests"][:1]
    (layout / "index.json").write_text(json.dumps(document))
    return [_program("crane"), "push", str(layout), job.reference]


def _skopeo(job: Job, source: str, target: str, side: str) -> list[str]:
    tls = ["--cert-dir", str(job.endpoint.ca.parent)] if job.endpoint.ca else ["--tls-verify=false"]
    flag = [f"--{side}{tls[0].removeprefix('--')}", *tls[1:]]
    return [_program("skopeo"), "--insecure-policy", "copy", "-q", *flag, source, target]


def _skopeo_pull(job: Job) -> list[str]:
    return _skopeo(job, f"docker://{job.reference}", f"dir:{job.output}", "src-")


def _skopeo_push(job: Job) -> list[str]:
    return _skopeo(job, f"oci:{job.model.layout}:v1", f"docker://{job.reference}", "dest-")


def _oras_py_pull(job: Job) -> list[str]:
    return [sys.executable, _ORAS_PY, "pull", job.endpoint.url, job.reference, str(job.output)]


def _oras_py_push(job: Job) -> list[str]:
    return _inside(
        job.model.files,
        [sys.executable, _ORAS_PY, "push", job.endpoint.url, job.reference, *(b.title for b in job.model.layers)],
    )


def _hub_pull(job: Job) -> list[str]:
    return [
        sys.executable, "-m", "huggingface_hub.cli.hf", "download", job.repository, "--local-dir", str(job.output),
        "--quiet",
    ]  # fmt: skip


def _go_env(job: Job) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(job.endpoint.ca)} if job.endpoint.ca else {}


def _requests_env(job: Job) -> dict[str, str]:
    return {"REQUESTS_CA_BUNDLE": str(job.endpoint.ca)} if job.endpoint.ca else {}


def _hub_env(job: Job) -> dict[str, str]:
    # Its own protocol for chunks (xet) needs a hub that speaks it.
    settings = {"HF_ENDPOINT": job.endpoint.url, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    return {**settings, "HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HOME": str(job.folder / "hf"), **_go_env(job)}


PEERS = (
    Tool("oras pull", "pull", "files", _oras_pull, programs=("oras",)),
    Tool("oras cp", "pull", "OCI layout", _oras_copy_here, programs=("oras",)),
    Tool("crane pull", "pull", "OCI layout", _crane_pull, _go_env, programs=("crane",)),
    Tool("skopeo copy", "pull", "dir:", _skopeo_pull, programs=("skopeo",)),
    Tool("oras-py pull", "pull", "files", _oras_py_pull, _requests_env, modules=("oras",)),
    Tool("hf download", "pull", "files", _hub_pull, _hub_env, modules=("huggingface_hub",), servers=("origin",)),
    Tool("oras push", "push", "files", _oras_push, programs=("oras",)),
    Tool("oras cp", "push", "OCI layout", _oras_copy_there, programs=("oras",)),
    Tool("crane push", "push", "OCI layout", _crane_push, _go_env, programs=("crane",)),
    Tool("skopeo copy", "push", "OCI layout", _skopeo_push, programs=("skopeo",)),
    Tool("oras-py push", "push", "files", _oras_py_push, _requests_env, modules=("oras",)),
)
