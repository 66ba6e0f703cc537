"""What is unsafe or broken in the files, as far as headers and small files tell it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from modelpack.audit.facts import Artifact, Problem
from modelpack.audit.findings import Severity
from modelpack.audit.rules.rule import ArtifactCheck, Check, Hit

if TYPE_CHECKING:
    from modelpack.audit.policy import Settings

CODES = {
    "MP051": "PICKLE-SYSTEM PICKLE-NAME PICKLE-EXTENSION PICKLE-CALL PICKLE-GLOBAL",
    "MP052": "POLYGLOT ZIP-MISMATCH ZIP-HIDDEN ARCHIVE-PATH ENCRYPTED PICKLE-TRAILING",
    "MP053": "TEMPLATE-UNSAFE TEMPLATE-SIZE TEMPLATE-BROKEN",
    "MP054": "AUTO-MAP",
    "MP055": "KERAS-LAMBDA KERAS-MODULE SAVEDMODEL-OP",
    "MP056": "PYTHON NATIVE SCRIPT",
    "MP057": "MISMATCH POINTER",
    "MP058": "ODD TEMPLATE-UNKNOWN ONNX-DOMAIN",
    "MP059": "UNCHECKED BROKEN LIMIT UNREADABLE PICKLE-BROKEN",
    "MP060": "SAFETENSORS GGUF ONNX TENSOR-NAME",
    "MP061": "SHARDS",
    "MP062": "ONNX-EXTERNAL ONNX-MISSING",
    "MP063": "TORCHSCRIPT KERAS-CUSTOM",
}
"""Which rule tells which of the scanner's codes (docs/scan.md), without their ``SCAN-``. A code that is new goes to MP058."""

RULE_OF = {f"SCAN-{code}": rule for rule, codes in CODES.items() for code in codes.split()}
UNCHECKED = frozenset(f"SCAN-{code}" for code in f"{CODES['MP059']} ENCRYPTED POINTER TEMPLATE-BROKEN".split())
"""Those that say: not all could be looked at."""

_SHOWN = 20
_PICKLES = frozenset({"pt", "pickle"})
_SUFFIXES = frozenset({".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill"})


def _coded(rule: str) -> Check:
    def check(artifact: Artifact, _: Settings) -> Iterator[Hit]:
        lost = {blob.digest for blob in artifact.blobs}
        gone = {layer.path for layer in artifact.layers if layer.digest in lost}
        for one in artifact.findings:
            explained = one.code == "SCAN-UNREADABLE" and one.place in gone  # MP003 says why
            if RULE_OF.get(one.code, "MP058") == rule and not explained:
                yield _hit(one)

    return check


def _hit(one: Problem) -> Hit:
    return Hit(one.message, one.place, {"code": one.code}, unchecked=one.code in UNCHECKED)


def _pickles(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    """By content where a header was read, else by name; what the scanner said of pickles goes further."""
    paths = sorted({layer.path for layer in artifact.layers if layer.path})
    named = [path for path in paths if _is_pickle(path)]
    for path in named[:_SHOWN]:
        yield Hit("the file is a pickle", path)
    places = [one.place for one in artifact.findings if one.code.startswith("SCAN-PICKLE-")]
    told = sorted({_file(place, paths) for place in places} - set(named))
    for place in told[:_SHOWN]:
        yield Hit("the file is, or holds, a pickle", place)
    if not named and not told and _PICKLES & set(artifact.weights.formats):
        yield Hit("weights are stored as pickles")


def _file(place: str, paths: list[str]) -> str:
    """The scanner says ``path: byte 14``, and a path can have a colon of its own."""
    return next((path for path in paths if place == path or place.startswith(f"{path}: ")), place)


def _is_pickle(path: str) -> bool:
    name = PurePosixPath(path)
    torch = name.suffix == ".bin" and name.stem.startswith(
        ("pytorch_model", "training_args", "adapter_model", "optimizer")
    )
    return torch or name.suffix.lower() in _SUFFIXES


def _shards(artifact: Artifact, settings: Settings) -> Iterator[Hit]:
    said = [one.message for one in artifact.contradictions if one.code == "XC09"]
    for problem in dict.fromkeys((*artifact.shard_problems, *said)):
        yield Hit(problem, "shard index")
    if not artifact.shard_problems and not said:
        yield from _coded("MP061")(artifact, settings)


RULES = (
    ArtifactCheck(
        "MP050",
        "weights as pickles",
        Severity.MEDIUM,
        "Loading a pickle runs a program. Even one in which nothing bad was found depends on every loader's restraint "
        "(`weights_only=True`) and on the scanner's list of harmless names.",
        "Convert it to safetensors in a sandbox, and pack that. If pickles are accepted somewhere, write an "
        "exemption for that scope.",
        _pickles,
    ),
    ArtifactCheck(
        "MP051",
        "a pickle that reaches for more than weights",
        Severity.CRITICAL,
        "A pickle names functions or classes that no weights need, or names them in a way that hides what they are. "
        "Loading it imports them and can call them: that is how commands are run.",
        "Do not load it, and take it out of use at once. `modelpack scan DIR` tells the details; ask the publisher "
        "for safetensors.",
        _coded("MP051"),
    ),
    ArtifactCheck(
        "MP052",
        "an archive that is not what it seems",
        Severity.HIGH,
        "Bytes are hidden before, between or after an archive's files, two parts of it contradict each other, names "
        "lead out of the folder, or a part is encrypted. Programs disagree about what is in it, which is usually the "
        "purpose.",
        "Do not use the file; fetch it from its publisher and compare.",
        _coded("MP052"),
    ),
    ArtifactCheck(
        "MP053",
        "a chat template that runs code",
        Severity.HIGH,
        "A chat template reaches for Python's internals, is far larger than real ones, or cannot be parsed. Engines "
        "without a sandbox run what is in it, for every request (CVE-2024-34359 was of this kind).",
        "Take the template of the original model. Run engines whose templates are sandboxed.",
        _coded("MP053"),
    ),
    ArtifactCheck(
        "MP054",
        "asks loaders to run its code",
        Severity.HIGH,
        "The configuration has `auto_map` or the like: with `trust_remote_code` the loader runs Python that comes "
        "with the model, or from a repository that may change tomorrow.",
        "Leave `trust_remote_code` off; or read the code, pin its revision and write an exemption.",
        _coded("MP054"),
    ),
    ArtifactCheck(
        "MP055",
        "weights that are programs",
        Severity.HIGH,
        "The weight file's format holds a program (a Lambda layer, a foreign module, operators that touch files) "
        "that runs when the model is loaded or used.",
        "Treat it as a program of its publisher: run it in a sandbox without files and network, or take weights "
        "without code.",
        _coded("MP055"),
    ),
    ArtifactCheck(
        "MP056",
        "programs beside the weights",
        Severity.LOW,
        "Scripts, Python files or binaries come along. They run only if somebody runs them; but nobody expects them "
        "in a model.",
        "Read them, or leave them out: `modelpack pull … --kind weight --kind weight.config`.",
        _coded("MP056"),
    ),
    ArtifactCheck(
        "MP057",
        "a file that is not what its name says",
        Severity.HIGH,
        "The name promises a format that cannot run code, and the content is something else; or a Git LFS pointer "
        "was packed instead of the weights.",
        "Do not load it by its name. After `git lfs pull`, pack the model again.",
        _coded("MP057"),
    ),
    ArtifactCheck(
        "MP058",
        "unusual, but legal",
        Severity.INFO,
        "A file is legal, but not as the usual writers make it: odd padding, template functions of some engine, "
        "operators of somebody's own.",
        "Nothing has to be done.",
        _coded("MP058"),
    ),
    ArtifactCheck(
        "MP059",
        "a file that could not be looked into",
        Severity.MEDIUM,
        "A file is damaged, truncated, too deep, or in a form that the scanner does not know. What is in it is "
        "unknown, and unknown is not clean.",
        "Look at it with other tools (`modelpack scan DIR` after a pull), or ask for a format that can be checked.",
        _coded("MP059"),
    ),
    ArtifactCheck(
        "MP060",
        "a weight file's header is invalid",
        Severity.HIGH,
        "A safetensors, GGUF or ONNX header breaks its format's rules: holes, overlaps, names that stand twice, "
        "bounds that are wrong. Two readers may see different tensors, and readers written in C may read where they "
        "should not.",
        "Fetch the file again from its publisher, or write it anew with the format's own library.",
        _coded("MP060"),
    ),
    ArtifactCheck(
        "MP061",
        "shards and their index disagree",
        Severity.HIGH,
        "The index names tensors that no shard has, or shards hold more than the index says. Loaders drop silently "
        "what does not match, and the model answers nonsense.",
        "Pack the model again from one revision, with all shards and their index.",
        _shards,
    ),
    ArtifactCheck(
        "MP062",
        "weights outside of the model",
        Severity.HIGH,
        "An ONNX model keeps weights at a path outside of its folder, or in a file that does not exist. Loading it "
        "reads some file of the user's.",
        "Do not load a model whose paths lead out; a missing file is fetched from where the model came from.",
        _coded("MP062"),
    ),
    ArtifactCheck(
        "MP063",
        "weights that bring a program for their own runtime",
        Severity.LOW,
        "TorchScript is a program that runs inside PyTorch, and a Keras model can name a class of somebody's "
        "package. Neither runs commands by itself; neither is a sandbox.",
        "Prefer weights together with code that you know: safetensors, or ONNX.",
        _coded("MP063"),
    ),
)
