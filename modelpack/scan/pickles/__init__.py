"""Pickles: which names they import and call, found by walking over their opcodes. Nothing is unpickled, ever."""

from modelpack.scan.pickles.allowed import ALLOWED, judge
from modelpack.scan.pickles.arrays import NPY_MAGIC, scan_npy
from modelpack.scan.pickles.streams import scan_pickles

__all__ = ["ALLOWED", "NPY_MAGIC", "judge", "scan_npy", "scan_pickles"]
