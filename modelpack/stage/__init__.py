"""A node cache that a pod's init container fills, verified, once per node."""

from modelpack.stage.cache import CURRENT, Cache, Lease, leases, names, pins, release, renew, set_pin, target
from modelpack.stage.checkup import Checked, check, find, used_bytes
from modelpack.stage.delivery import deliver
from modelpack.stage.fingerprint import fingerprint
from modelpack.stage.following import Change, Counts, Follower, Look
from modelpack.stage.garbage import Freed, collect
from modelpack.stage.offline import keep_evidence
from modelpack.stage.preflight import Facts, admit, check_clock, memory_limit
from modelpack.stage.ranks import Rank
from modelpack.stage.snapshots import FILES, Arrangement, Depth, Form, Receipt
from modelpack.stage.staging import Phase, Request, Staged, rollback, signers, stage, untraced

__all__ = [
    "CURRENT",
    "FILES",
    "Arrangement",
    "Cache",
    "Change",
    "Checked",
    "Counts",
    "Depth",
    "Facts",
    "Follower",
    "Form",
    "Freed",
    "Lease",
    "Look",
    "Phase",
    "Rank",
    "Receipt",
    "Request",
    "Staged",
    "admit",
    "check",
    "check_clock",
    "collect",
    "deliver",
    "find",
    "fingerprint",
    "keep_evidence",
    "leases",
    "memory_limit",
    "names",
    "pins",
    "release",
    "renew",
    "rollback",
    "set_pin",
    "signers",
    "stage",
    "target",
    "untraced",
    "used_bytes",
]
