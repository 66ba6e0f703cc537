"""One repository of an OCI registry as a store (distribution-spec 1.1)."""

from modelpack.store.registry.host import Registry
from modelpack.store.registry.journal import FolderJournal, Journal
from modelpack.store.registry.repository import RegistryStore

__all__ = ["FolderJournal", "Journal", "Registry", "RegistryStore"]
