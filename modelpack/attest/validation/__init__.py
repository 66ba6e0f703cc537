"""Whether a document keeps the rules of its format: schemas first, then what no schema can say."""

from modelpack.attest.validation.problems import MAX_DOCUMENT, DocumentKind, identify, parse, problems

__all__ = ["MAX_DOCUMENT", "DocumentKind", "identify", "parse", "problems"]
