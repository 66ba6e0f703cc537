"""The volume: its folders and whose they are, the names that lead to snapshots, locks, leases and pins."""

from modelpack.stage.cache.folders import Cache, atomic_write, boot, key_of, sync_folder
from modelpack.stage.cache.leases import Lease, leases, pinned, pins, release, renew, set_pin
from modelpack.stage.cache.locks import locked, locks_work
from modelpack.stage.cache.names import CURRENT, check_name, names, point, previous, target

__all__ = [
    "CURRENT",
    "Cache",
    "Lease",
    "atomic_write",
    "boot",
    "check_name",
    "key_of",
    "leases",
    "locked",
    "locks_work",
    "names",
    "pinned",
    "pins",
    "point",
    "previous",
    "release",
    "renew",
    "set_pin",
    "sync_folder",
    "target",
]
