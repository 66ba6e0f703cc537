"""What audits remember from one to the next, in one file."""

from modelpack.audit.state.estate import StoredEstate
from modelpack.audit.state.state import Record, State

__all__ = ["Record", "State", "StoredEstate"]
