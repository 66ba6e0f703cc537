"""oras-py as its documentation uses it: ``python oras_py.py pull|push URL REFERENCE FOLDER_OR_FILE…``."""

from __future__ import annotations

import sys

from oras.client import OrasClient


def main(action: str, url: str, reference: str, *paths: str) -> None:
    """Pull into a folder, or push files."""
    client = OrasClient(hostname=reference.partition("/")[0], insecure=url.startswith("http:"))
    if action == "pull":
        client.pull(target=reference, outdir=paths[0])
    else:
        client.push(target=reference, files=list(paths), disable_path_validation=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
