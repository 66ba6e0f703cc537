"""Paths inside a model: which names are safe, and what patterns for them mean. No I/O."""

from modelpack.paths.globs import Glob, component, has_wildcard, parents
from modelpack.paths.safe import LOCK_SUFFIX, MARKER, MAX_DEPTH, MODEL_SIGNATURE, STAGING_SUFFIX, Claims, safe_path

__all__ = [
    "LOCK_SUFFIX",
    "MARKER",
    "MAX_DEPTH",
    "MODEL_SIGNATURE",
    "STAGING_SUFFIX",
    "Claims",
    "Glob",
    "component",
    "has_wildcard",
    "parents",
    "safe_path",
]
