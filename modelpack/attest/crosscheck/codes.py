"""The contradictions that are looked for. Codes are an interface: they are never given another meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CODES: Mapping[str, str] = MappingProxyType(
    {
        "XC01": "The inventory was made of another manifest.",
        "XC02": "The configuration's precision names a number format that no weight file has.",
        "XC03": "The configuration's paramSize is not the number of parameters in the weights' headers (5 % allowed).",
        "XC04": "The configuration's format is not that of any weight file.",
        "XC05": "The configuration lists more or fewer diffIds than the manifest has layers.",
        "XC06": "A raw layer's diffId is not the layer's digest.",
        "XC07": "The configuration's family is not the model_type of config.json.",
        "XC08": "The configuration's licences are not those of the model card.",
        "XC09": "An index of shards and the shards' headers disagree.",
        "XC10": "The configuration's quantization is not that of the weights' header.",
        "XC19": "A document cannot be read, or is of no known kind.",
        "XC20": "The CycloneDX document describes another manifest.",
        "XC21": "The CycloneDX document lists a file that the model does not have.",
        "XC22": "The CycloneDX document says that its list is complete, and lacks a file of the model.",
        "XC23": "A file's hash in the CycloneDX document is not the file's.",
        "XC24": "A file's media type in the CycloneDX document is not its layer's.",
        "XC25": "The licence in the CycloneDX document is not the model's.",
        "XC26": "The CycloneDX document leaves out a base model that the model's files name, or names another version of it.",
        "XC27": "The CycloneDX document leaves out a data set that the model's files name, or names another version of it.",
        "XC28": "The CycloneDX document gives the model another name than the configuration.",
        "XC29": "The CycloneDX document gives the model another version than the configuration.",
        "XC30": "A value that the CycloneDX document takes from the configuration is another there.",
        "XC31": "The CycloneDX document's parameters or number formats are not those of the weights' headers.",
        "XC32": "A chat template's hash in the CycloneDX document is not the template's.",
        "XC33": "A layer's digest in the CycloneDX document is not that of the layer that holds the file.",
        "XC34": "A file's size in the CycloneDX document is not the file's.",
        "XC35": "A weight file's parameters or number formats in the CycloneDX document are not those of its header.",
        "XC40": "The SPDX document describes another manifest.",
        "XC41": "The SPDX document lists a file that the model does not have.",
        "XC42": "The SPDX document says that its list is complete, and lacks a file of the model.",
        "XC43": "A file's hash in the SPDX document is not the file's.",
        "XC44": "A file's media type in the SPDX document is not its layer's.",
        "XC45": "The declared licence in the SPDX document is not the model's.",
        "XC46": "The SPDX document leaves out a base model that the model's files name, or names another version of it.",
        "XC47": "The SPDX document leaves out a data set that the model's files name, or names another version of it.",
        "XC48": "The SPDX document gives the model another name than the configuration.",
        "XC49": "The SPDX document gives the model another version than the configuration.",
        "XC50": "A value that the SPDX document takes from the configuration is another there.",
        "XC51": "The SPDX document's parameters or number formats are not those of the weights' headers.",
        "XC52": "A chat template's hash in the SPDX document is not the template's.",
        "XC60": "The provenance is about another manifest.",
        "XC61": "The provenance lists base models, but not one that the model's files name.",
        "XC62": "The provenance used another version of a base model than the model's files name.",
        "XC63": "The provenance used another version of a data set than the model's files name.",
        "XC64": "The provenance ends before it begins.",
        "XC65": "The provenance made another document of this kind than the one that is attached.",
        "XC66": "An input file of the provenance has another hash than the model's file of that path.",
        "XC67": "The configuration was created after the build in the provenance had ended.",
        "XC70": "The scan is of another manifest.",
        "XC71": "The scan lists a file that the model does not have.",
        "XC72": "The scan read other bytes under a file's name.",
        "XC73": "The scan left out a weight file of the model.",
        "XC80": "A verification result is about another manifest.",
        "XC81": "A verification summary's resource is another manifest.",
        "XC82": "A verification result says that there is no pickle, but there is a pickle file.",
        "XC83": "A statement of another kind is about another manifest.",
    }
)
"""Code to what it means: XC0x configuration and weights, XC2x CycloneDX, XC4x SPDX, XC6x provenance, XC7x scan, XC8x verdicts."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two things that cannot both be true. ``place`` is where one of them stands, ``message`` a sentence with both."""

    code: str
    place: str
    message: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.code} {self.place}: {self.message}"
