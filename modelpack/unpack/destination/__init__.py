"""The folder that files go to: what is in it, whose it is, and how one tree takes another's place at one instant."""

from modelpack.unpack.destination.disk import free_bytes, is_own_folder, link_or_copy, os_errors, remove
from modelpack.unpack.destination.locking import LOCK_FLAGS, held
from modelpack.unpack.destination.marker import Marker, Part, Placed
from modelpack.unpack.destination.place import Place
from modelpack.unpack.destination.survey import Survey

__all__ = [
    "LOCK_FLAGS",
    "Marker",
    "Part",
    "Place",
    "Placed",
    "Survey",
    "free_bytes",
    "held",
    "is_own_folder",
    "link_or_copy",
    "os_errors",
    "remove",
]
