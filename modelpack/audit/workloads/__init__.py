"""Which models a cluster's manifests refer to, so that these are audited: hostile YAML is expected."""

from modelpack.audit.workloads.found import FoundReference, Unread
from modelpack.audit.workloads.reading import SUFFIXES, Workloads, read_workloads, references_in

__all__ = ["SUFFIXES", "FoundReference", "Unread", "Workloads", "read_workloads", "references_in"]
