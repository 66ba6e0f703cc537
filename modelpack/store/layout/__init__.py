"""A folder as a store: OCI image layout, version 1 (image-spec, image-layout.md)."""

from modelpack.store.layout.files import BlobFile
from modelpack.store.layout.garbage import Garbage
from modelpack.store.layout.incoming import Incoming
from modelpack.store.layout.store import LayoutStore

__all__ = ["BlobFile", "Garbage", "Incoming", "LayoutStore"]
