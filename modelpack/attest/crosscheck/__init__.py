"""Whether what is said about a model agrees: manifest, configuration, headers, bills of materials, provenance, scans."""

from modelpack.attest.crosscheck.check import crosscheck
from modelpack.attest.crosscheck.codes import CODES, Contradiction

__all__ = ["CODES", "Contradiction", "crosscheck"]
