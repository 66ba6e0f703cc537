"""What is known of an artifact and of all of them together, without judging it."""

from modelpack.audit.facts.artifact import (
    Ancestor,
    Artifact,
    Before,
    BlobProblem,
    BlobState,
    Document,
    Layer,
    Problem,
    SignatureFact,
    Sort,
    Stated,
    Unchecked,
    Weights,
)
from modelpack.audit.facts.estate import Estate
from modelpack.trust import Cause

__all__ = [
    "Ancestor",
    "Artifact",
    "Before",
    "BlobProblem",
    "BlobState",
    "Cause",
    "Document",
    "Estate",
    "Layer",
    "Problem",
    "SignatureFact",
    "Sort",
    "Stated",
    "Unchecked",
    "Weights",
]
