"""Graphs of content: how they move from store to store, and what is attached to them."""

from modelpack.store.graphs.attachments import TAG_KINDS, Attachment, attachments, merged, tag_of
from modelpack.store.graphs.copy import Copied, copy

__all__ = ["TAG_KINDS", "Attachment", "Copied", "attachments", "copy", "merged", "tag_of"]
