"""What the configuration claims of the weights, against their headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelpack.audit.facts import Artifact, Sort
from modelpack.audit.findings import Severity
from modelpack.audit.rules.rule import ArtifactCheck, Check, Hit

if TYPE_CHECKING:
    from modelpack.audit.policy import Settings

_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*([KMBTQ])", re.IGNORECASE)
_SCALE = {letter: 1000.0**power for power, letter in enumerate("KMBTQ", 1)}
_PACKED = re.compile(
    r"gptq|awq|bnb|bitsandbytes|aqlm|hqq|eetq|marlin|compressed|int[2-6]\b|[wu][2-6]a|nf4|fp4|mxfp4", re.IGNORECASE
)
"""Quantizations that keep several numbers in one integer of a tensor, by the words that people use for them."""


def _is_packed(artifact: Artifact) -> bool:
    """Whether shapes and dtypes count containers instead of numbers. GGUF's headers tell the numbers themselves."""
    said = f"{artifact.stated.quantization} {artifact.weights.quantization}"
    return "gguf" not in artifact.weights.formats and bool(artifact.stated.quantization or _PACKED.search(said))


def _coded(*codes: str) -> Check:
    def check(artifact: Artifact, _: Settings) -> Iterator[Hit]:
        for one in artifact.contradictions:
            if one.code in codes:
                yield Hit(one.message, one.place, {"code": one.code})

    return check


def _precision(artifact: Artifact, settings: Settings) -> Iterator[Hit]:
    if not _is_packed(artifact):
        yield from _coded("XC02")(artifact, settings)


def _parameters(artifact: Artifact, settings: Settings) -> Iterator[Hit]:
    """What was not read may hold the rest: then it is not comparable."""
    nearest = _departure(artifact, settings)
    if nearest and not artifact.weights.headers_unread:
        message = f"{artifact.stated.param_size[:40]} is claimed, the headers count {nearest}"
        yield Hit(message, "config.paramSize", {"claimed": artifact.stated.param_size[:40], "counted": nearest})


def _departure(artifact: Artifact, settings: Settings) -> int:
    """The count that is nearest to the claim, if that is too far from it. Counted here and not taken from XC03, which allows
    5 % and nothing else.
    """
    match = _SIZE.fullmatch(artifact.stated.param_size.strip())
    counts = artifact.weights.counts or ((artifact.weights.parameters,) if artifact.weights.parameters else ())
    if not match or not counts or _is_packed(artifact):
        return 0
    claimed = float(match[1]) * _SCALE[match[2].upper()]
    nearest = min(counts, key=lambda count: abs(claimed - count))
    return nearest if abs(claimed - nearest) > max(claimed, nearest) * settings.parameter_tolerance else 0


def _not_comparable(artifact: Artifact, settings: Settings) -> Iterator[Hit]:
    stated, weights = artifact.stated, artifact.weights
    claims = [name for name, value in (("precision", stated.precision), ("paramSize", stated.param_size)) if value]
    if artifact.sort is not Sort.MODEL or not claims:
        return
    if _is_packed(artifact):
        how = (stated.quantization or weights.quantization)[:40]
        why = f"the quantization {how} keeps several numbers in one integer"
    elif weights.formats and not weights.parameters:
        why = f"headers of {', '.join(weights.formats)} files do not tell it"
    elif weights.headers_unread and (not weights.headers_read or _departure(artifact, settings)):
        why = f"{weights.headers_unread} weight files have no header that is known or could be read"
    else:
        return
    yield Hit(f"{' and '.join(claims)} cannot be compared with the weights: {why}", f"config.{claims[0]}")


def _formats(artifact: Artifact, settings: Settings) -> Iterator[Hit]:
    if settings.formats and artifact.sort is Sort.MODEL:
        for name in artifact.weights.formats:
            if name not in settings.formats:
                yield Hit(f"weights of the format {name} are not allowed", data={"format": name})


RULES = (
    ArtifactCheck(
        "MP070",
        "the precision is not that of the weights",
        Severity.MEDIUM,
        "The configuration names a number format that no tensor has. Schedulers plan memory by it, and users choose "
        "the model by it: either the claim is wrong, or these are other weights.",
        "Pack the model again; `modelpack pack` reads the precision from the headers unless `--set precision=…` says "
        "otherwise.",
        _precision,
    ),
    ArtifactCheck(
        "MP071",
        "the size is not that of the weights",
        Severity.MEDIUM,
        "The configuration's `paramSize` and the number of parameters in the headers differ by more than the "
        "tolerance. Either the claim is wrong, or shards are missing, or these are other weights.",
        "Pack the model again; `modelpack pack` counts the parameters. `parameterTolerancePercent` in the audit "
        "policy allows more.",
        _parameters,
    ),
    ArtifactCheck(
        "MP072",
        "format or architecture is not that of the files",
        Severity.MEDIUM,
        "The configuration claims another weight format than the files have, or another family than `config.json`. "
        "Runtimes choose their loader by it.",
        "Pack the model again, or correct it with `--set format=…` and `--set family=…`.",
        _coded("XC04", "XC07"),
    ),
    ArtifactCheck(
        "MP073",
        "the quantization is not that of the weights",
        Severity.MEDIUM,
        "The configuration names another quantization than the weights' own header. Quality and memory are not what "
        "users expect.",
        "Pack the model again; `modelpack pack` reads the quantization from the header.",
        _coded("XC10"),
    ),
    ArtifactCheck(
        "MP074",
        "claims that cannot be compared",
        Severity.INFO,
        "The weights are packed (GPTQ, AWQ, bitsandbytes) or of a format whose headers do not tell sizes, so that "
        "precision and number of parameters cannot be compared with the configuration. Neither right nor wrong.",
        "Nothing has to be done; the claim has to be believed.",
        _not_comparable,
    ),
    ArtifactCheck(
        "MP075",
        "a weight format that the policy does not allow",
        Severity.HIGH,
        "The audit policy's `formats` name the weight formats that may be used, and this model has another. Some "
        "formats can run code when they are loaded, others cannot be checked.",
        "Convert the model, or write an exemption with a reason and a date.",
        _formats,
    ),
)
