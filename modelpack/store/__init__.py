"""Bytes in and out: stores, and the ways between them."""

from modelpack.store.base import Deleting, Listing, Mounting, Ranged, Referring, Store
from modelpack.store.progress import Event, Observer, counter, ignore
from modelpack.store.receive import receive
from modelpack.store.sources import (
    CHUNK,
    BytesSource,
    Count,
    FileSource,
    HashingSource,
    Reader,
    Source,
    Stream,
    VerifiedSource,
    VerifyingReader,
)
from modelpack.store.workers import each

__all__ = [
    "CHUNK",
    "BytesSource",
    "Count",
    "Deleting",
    "Event",
    "FileSource",
    "HashingSource",
    "Listing",
    "Mounting",
    "Observer",
    "Ranged",
    "Reader",
    "Referring",
    "Source",
    "Store",
    "Stream",
    "VerifiedSource",
    "VerifyingReader",
    "counter",
    "each",
    "ignore",
    "receive",
]
