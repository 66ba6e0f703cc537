"""Snapshots: what a published folder holds, its receipt, the check of it, and how it is built."""

from modelpack.stage.snapshots.building import Build, Known, Opened
from modelpack.stage.snapshots.checking import Depth, damage
from modelpack.stage.snapshots.layouts import FILES, Arrangement, Form
from modelpack.stage.snapshots.placing import publish
from modelpack.stage.snapshots.receipt import FileRecord, Receipt

__all__ = [
    "FILES",
    "Arrangement",
    "Build",
    "Depth",
    "FileRecord",
    "Form",
    "Known",
    "Opened",
    "Receipt",
    "damage",
    "publish",
]
