"""What an audit found, for people and for other programs."""

from modelpack.audit.reports.figures import MEANINGS, Figures, Vouched, figures, ordered, signers, vouched
from modelpack.audit.reports.text import visible
from modelpack.audit.reports.writing import KINDS, write, write_file

__all__ = [
    "KINDS",
    "MEANINGS",
    "Figures",
    "Vouched",
    "figures",
    "ordered",
    "signers",
    "visible",
    "vouched",
    "write",
    "write_file",
]
