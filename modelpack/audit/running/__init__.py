"""How an audit goes: targets are listed, manifests examined side by side, rules asked, stored bytes hashed again."""

from modelpack.audit.running.examine import Examined, Examiner, Item
from modelpack.audit.running.judging import UNREAD, Judge
from modelpack.audit.running.scrub import Scrubbed, scrub
from modelpack.audit.running.survey import Apis, Listed, Place, Survey
from modelpack.audit.running.targets import Kind, Places, Target, read_targets

__all__ = [
    "UNREAD",
    "Apis",
    "Examined",
    "Examiner",
    "Item",
    "Judge",
    "Kind",
    "Listed",
    "Place",
    "Places",
    "Scrubbed",
    "Survey",
    "Target",
    "read_targets",
    "scrub",
]
