"""The main weights of a model, by their headers.

One folder often holds a model several times: as safetensors, ONNX and PyTorch, quantized in many ways, as old checkpoints.
Adding it all up would double the model, so one *set* of files (one file, or its shards) per component is chosen:

1. The format: of those whose largest set has at least two thirds of the parameters of the largest of all (exporters add or
   drop some), the first in the order safetensors, GGUF, ONNX, PyTorch, pickle.
2. The folders: those that ``modules.json`` (sentence-transformers) or ``model_index.json`` (diffusers) list as components;
   else the one nearest to the top that has this format.
3. In each folder, the set with most parameters; among equals one with a usual name, then the one with most bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from modelpack.errors import DocumentError
from modelpack.formats import PRECISION, ModelFile, read_header
from modelpack.oci import JSONObject, Kind
from modelpack.pack.plan import Entry
from modelpack.store import FileSource

_RANK = ("safetensors", "gguf", "onnx", "pt", "pickle")
_BY_NAME = {".tflite": "tflite", ".keras": "keras", ".h5": "h5", ".pte": "executorch", ".mlmodel": "coreml"}
_SHARD = re.compile(r"[-_.]\d{1,6}[-_]of[-_]\d{1,6}|(?<=^consolidated)\.\d\d")
_TRAINING = re.compile(r"(optimizer|scheduler|scaler|rng_state|training_args|trainer_state)", re.IGNORECASE)
_USUAL = ("model", "pytorch_model", "diffusion_pytorch_model")
_INTEGER = re.compile(r"[IU]\d+|BOOL")


@dataclass(frozen=True, slots=True)
class Weights:
    """What the headers of the chosen weights say, added up.

    ``dtypes`` counts parameters (safetensors' and ggml's names), the most frequent first. ``metadata`` and
    ``quantization`` are of the first file. All counts are 0 where headers tell none (PyTorch).
    """

    format: str
    files: tuple[str, ...] = ()
    dtypes: Mapping[str, int] = field(default_factory=dict, hash=False)
    metadata: JSONObject = field(default_factory=dict, hash=False)
    quantization: str = ""

    @property
    def source(self) -> str:
        """Where values from here come from, for people."""
        return f"{self.files[0]} header" if len(self.files) == 1 else f"{len(self.files)} {self.format} headers"

    @property
    def significant(self) -> dict[str, int]:
        """``dtypes`` without integer buffers (positions, masks) of less than one per cent, unless there is nothing else."""
        total = sum(self.dtypes.values())
        kept = {name: n for name, n in self.dtypes.items() if n * 100 >= total or not _INTEGER.fullmatch(name)}
        return kept or dict(self.dtypes)

    @property
    def parameters(self) -> int:
        """How many numbers the model has."""
        return sum(self.significant.values())

    @property
    def packed(self) -> bool:
        """Whether integers of 8 bits or more are among the weights, each of which may hold several smaller numbers."""
        return any(re.fullmatch(r"U8|[IU](16|32|64)", name) for name in self.significant)

    @property
    def floating(self) -> str:
        """The precisions (ModelPack's words) of floating-point weights, of one per cent or more."""
        return self._precision(not_integer=True)

    @property
    def precision(self) -> str:
        """The precisions of the weights, the most frequent first; ``""`` where the first is none (block formats of GGUF)."""
        return self._precision(not_integer=False)

    def _precision(self, *, not_integer: bool) -> str:
        chosen = {
            name: count for name, count in self.significant.items() if not (not_integer and _INTEGER.fullmatch(name))
        }
        total = sum(chosen.values())
        names = [name for name, count in chosen.items() if count * 100 >= total]
        return (
            ",".join(PRECISION[name] for name in names if name in PRECISION)
            if names[:1] and names[0] in PRECISION
            else ""
        )


@dataclass(frozen=True, slots=True)
class _Set:
    """One file, or the shards of one."""

    folder: str
    stem: str
    members: tuple[tuple[Entry, ModelFile], ...]

    @property
    def parameters(self) -> int:
        return sum(model.parameters for _, model in self.members)

    @property
    def order(self) -> tuple[int, int, int, str]:
        """The preferred set has the smallest."""
        usual = _USUAL.index(self.stem) if self.stem in _USUAL else len(_USUAL)
        return -self.parameters, usual, -sum(entry.size for entry, _ in self.members), self.stem


def read_weights(entries: Sequence[Entry], components: Iterable[str]) -> tuple[Weights | None, tuple[str, ...]]:
    """The main weights, and warnings: files that could not be read, other variants. Raises NotFound."""
    formats, warnings = _read_all(entries)
    if not formats:
        return _by_name(entries), tuple(warnings)
    largest = {name: max(some.parameters for some in sets) for name, sets in formats.items()}
    enough = max(largest.values()) * 2
    format_ = next(name for name in _RANK if name in formats and largest[name] * 3 >= enough)
    chosen, variants = _choose(formats[format_], set(components))
    if variants:
        warnings.append(
            f"{variants + 1} variants of the {format_} weights; {chosen[0].members[0][0].path} is described"
        )
    return _add_up(format_, chosen), tuple(warnings)


def _read_all(entries: Sequence[Entry]) -> tuple[dict[str, list[_Set]], list[str]]:
    files: dict[tuple[str, str, str], list[tuple[Entry, ModelFile]]] = {}
    warnings: list[str] = []
    for entry in sorted(entries, key=lambda entry: entry.path):
        path = PurePosixPath(entry.path)
        if entry.kind is not Kind.WEIGHT or _TRAINING.match(path.name):
            continue
        try:
            model = read_header(FileSource(entry.file, entry.size), entry.path)
        except DocumentError as error:
            warnings.append(str(error))
            continue
        if model is not None:
            warnings += (f"{entry.path}: {warning}" for warning in model.warnings)
            key = (model.format, str(path.parent), _SHARD.sub("", path.stem))
            files.setdefault(key, []).append((entry, model))
    formats: dict[str, list[_Set]] = {}
    for (name, folder, stem), members in files.items():
        formats.setdefault(name, []).append(_Set(folder, stem, tuple(members)))
    return formats, warnings


def _choose(sets: Sequence[_Set], components: set[str]) -> tuple[list[_Set], int]:
    """One set for each component's folder; how many others lie beside them."""
    folders = {some.folder for some in sets}
    nearest = min(folders, key=lambda folder: (len(PurePosixPath(folder).parts), folder))
    wanted = (folders & components) or {nearest}
    beside = [some for some in sets if some.folder in wanted]
    chosen = [
        min((some for some in beside if some.folder == folder), key=lambda s: s.order) for folder in sorted(wanted)
    ]
    return chosen, len(beside) - len(chosen)


def _add_up(format_: str, sets: Sequence[_Set]) -> Weights:
    members = [member for some in sets for member in some.members]
    counts: Counter[str] = Counter()
    for _, model in members:
        counts.update(model.dtypes)
    _, first = members[0]
    dtypes = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return Weights(format_, tuple(entry.path for entry, _ in members), dtypes, first.metadata, first.quantization)


def _by_name(entries: Sequence[Entry]) -> Weights | None:
    """Formats whose headers are not read are told by their names, from the largest file that has one."""
    for entry in sorted(entries, key=lambda entry: (-entry.size, entry.path)):
        format_ = _BY_NAME.get(PurePosixPath(entry.path).suffix.lower())
        if format_ and entry.kind is Kind.WEIGHT:
            return Weights(format_, (entry.path,))
    return None


def param_size(count: int) -> str:
    """A number of parameters in the specification's form, rounded: ``"22.7M"``, ``"8B"``; ``""`` for almost none."""
    power = next((power for power in range(1, 5) if _tenths(count, power) < 10_000), 5)
    whole, tenth = divmod(_tenths(count, power), 10)
    prefix = "KMBTQ"[power - 1]
    return f"{whole}.{tenth}{prefix}" if tenth else f"{whole}{prefix}" if whole else ""


def _tenths(count: int, power: int) -> int:
    """Tenths of the power of a thousand, rounded half up."""
    scale: int = 1000**power
    return (count * 10 + scale // 2) // scale
