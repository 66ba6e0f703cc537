"""Whom to trust with what: requirements that combine, and the file that says them for each repository."""

from modelpack.trust.policy.document import PREDICATES, PolicyFile
from modelpack.trust.policy.requirements import AllOf, AnyOf, Attested, InsecureAcceptAnything, Policy, SignedBy

__all__ = ["PREDICATES", "AllOf", "AnyOf", "Attested", "InsecureAcceptAnything", "Policy", "PolicyFile", "SignedBy"]
