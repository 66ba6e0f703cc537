"""Bytes in and out: stores, and the ways between them."""

from modelpack.store.base import Deleting, Listing, Mounting, Ranged, Referring, Rewriting, Store, StoredFile
from modelpack.store.digests import DigestCache, FileState
from modelpack.store.graphs import Attachment, Copied, attachments, copy, merged, tag_of
from modelpack.store.http import TLS, Credential, Credentials, DockerConfig, HttpOptions, Proxies, StaticCredentials
from modelpack.store.layout import Garbage, Incoming, LayoutStore
from modelpack.store.memory import MemoryStore
from modelpack.store.mirrors import Mirror, Mirrors
from modelpack.store.progress import Event, Observer, counter, ignore
from modelpack.store.receive import final_name, receive
from modelpack.store.registry import FolderJournal, Journal, Registry, RegistryStore
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
    "TLS",
    "Attachment",
    "BytesSource",
    "Copied",
    "Count",
    "Credential",
    "Credentials",
    "Deleting",
    "DigestCache",
    "DockerConfig",
    "Event",
    "FileSource",
    "FileState",
    "FolderJournal",
    "Garbage",
    "HashingSource",
    "HttpOptions",
    "Incoming",
    "Journal",
    "LayoutStore",
    "Listing",
    "MemoryStore",
    "Mirror",
    "Mirrors",
    "Mounting",
    "Observer",
    "Proxies",
    "Ranged",
    "Reader",
    "Referring",
    "Registry",
    "RegistryStore",
    "Rewriting",
    "Source",
    "StaticCredentials",
    "Store",
    "StoredFile",
    "Stream",
    "VerifiedSource",
    "VerifyingReader",
    "attachments",
    "copy",
    "counter",
    "each",
    "final_name",
    "ignore",
    "merged",
    "receive",
    "tag_of",
]
