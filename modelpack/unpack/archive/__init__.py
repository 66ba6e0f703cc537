"""Archives as layers hold them: read once, in order, within bounds."""

from modelpack.unpack.archive.inflate import Inflated, inflated
from modelpack.unpack.archive.tar import MAX_MEMBERS, Member, TarReader

__all__ = ["MAX_MEMBERS", "Inflated", "Member", "TarReader", "inflated"]
