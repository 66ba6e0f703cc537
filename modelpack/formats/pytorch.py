"""PyTorch files and pickles: what they are, never what is in the pickle. Nothing is unpickled here, ever.

A current PyTorch file is a zip archive with ``<name>/data.pkl`` and one entry per storage (``torch.save``); TorchScript
adds code.
"""

from __future__ import annotations

from modelpack.formats.model import ModelFile
from modelpack.formats.source import Cursor
from modelpack.formats.zipfiles import read_zip
from modelpack.oci import JSONObject

_LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_PROTOCOLS = range(2, 6)
_OPCODES = frozenset(
    b"().012BCFGIJKLMNPQRSTUVX]abcdeghijlopqrstu}\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f"
    b"\x90\x91\x92\x93\x94\x95\x96\x97\x98"
)


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins so is a pickle of protocol 2 or later. Protocols 0 and 1 have no mark."""
    return len(head) > 2 and head[0] == 0x80 and head[1] in _PROTOCOLS and head[2] in _OPCODES


def read_pickle(head: bytes, *, named_pytorch: bool) -> ModelFile:
    """A file that begins as pickles do: "pt" if PyTorch before 1.6 wrote it or its name says so, else "pickle".

    ``metadata``: ``container`` "pickle" and the ``protocol``.
    """
    ours = named_pytorch or head.startswith(_LEGACY_MAGIC)
    return ModelFile("pt" if ours else "pickle", metadata={"container": "pickle", "protocol": head[1]})


def read_archive(cursor: Cursor) -> ModelFile | None:
    """A zip archive as PyTorch writes it; None if it is another kind of archive. Raises DocumentError.

    ``metadata``: ``container`` "zip", ``torchscript``, ``storages`` (how many) and ``storage_bytes`` (in all).
    """
    directory = read_zip(cursor)
    if directory.problems:
        cursor.fail(directory.problems[0])
    entries = directory.entries
    pickles = [entry.name for entry in entries if entry.name.rpartition("/")[2] == "data.pkl"]
    if not pickles:
        return None
    root = min(pickles, key=len).removesuffix("data.pkl")
    places = (f"{root}data/", f"{root}constants/")
    storages = [entry.size for entry in entries if entry.name.startswith(places)]
    metadata: JSONObject = {
        "container": "zip",
        "torchscript": any(entry.name == f"{root}constants.pkl" for entry in entries),
        "storages": len(storages),
        "storage_bytes": sum(storages),
    }
    return ModelFile("pt", metadata=metadata)
