"""serve: a registry on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelpack_cli.options import Command, QuietOption
from modelpack_cli.output import flush, note, result


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(serve)


def serve(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An OCI layout; it is made if it is not there.")],
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", metavar="N", min=0, max=65535, help="0 picks a free one.")
    ] = 5000,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse pushes and deletions.")] = False,
    cert_file: Annotated[
        Path | None, typer.Option("--cert-file", metavar="PEM", help="A certificate chain: serve HTTPS.")
    ] = None,
    key_file: Annotated[Path | None, typer.Option("--key-file", metavar="PEM", help="The key of --cert-file.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Serve an OCI layout as a registry, until Ctrl-C.

    For laptops, demos, CI and air-gapped desks. It speaks the OCI distribution specification (docker, oras, crane, skopeo
    and cosign work with it), with the referrers API and ranges, and no access control: all who reach it may read and,
    unless --read-only, write. Production registries are zot, Harbor and CNCF distribution.

    \b
    modelpack serve ./layout &
    modelpack push registry.example/ml/minilm:v1 localhost:5000/ml/minilm:v1
    """
    import modelpack
    from modelpack.serve import Server

    if (cert_file is None) != (key_file is None):
        raise modelpack.InputError("--cert-file and --key-file go together")
    tls = (cert_file, key_file) if cert_file and key_file else None
    layout = modelpack.LayoutStore(folder, create=True)
    server = Server(layout, host, port, read_only=read_only, tls=tls)
    if host not in ("127.0.0.1", "localhost", "::1") and not quiet:
        note(f"anybody who reaches {host} can read{'' if read_only else ' and write'} this store")
    result(server.url)
    flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        if not quiet:
            note("stopped")
    finally:
        server.stop()
