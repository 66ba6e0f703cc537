"""How a model was made: SLSA provenance v1, from a program, a file, or a CI job. Build level 1, and no more."""

from modelpack.attest.provenance.ci import CiFacts, ci_facts
from modelpack.attest.provenance.document import parse_provenance
from modelpack.attest.provenance.git import GitState, read_git
from modelpack.attest.provenance.model import LOCAL_BUILDER, PACK, Material, Provenance
from modelpack.attest.provenance.run import Run, material, provenance

__all__ = [
    "LOCAL_BUILDER",
    "PACK",
    "CiFacts",
    "GitState",
    "Material",
    "Provenance",
    "Run",
    "ci_facts",
    "material",
    "parse_provenance",
    "provenance",
    "read_git",
]
