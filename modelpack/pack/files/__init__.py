"""The files of a model: where they are, which of them count, how they may be named, what each of them is."""

from modelpack.pack.files.classify import BIG, Classifier
from modelpack.pack.files.names import check_distinct, check_path
from modelpack.pack.files.selection import IGNORE_FILE, IgnoreFile, Selection
from modelpack.pack.files.text import read_text
from modelpack.pack.files.walk import MAX_FILES, Folder, Found, is_folder

__all__ = [
    "BIG",
    "IGNORE_FILE",
    "MAX_FILES",
    "Classifier",
    "Folder",
    "Found",
    "IgnoreFile",
    "Selection",
    "check_distinct",
    "check_path",
    "is_folder",
    "read_text",
]
