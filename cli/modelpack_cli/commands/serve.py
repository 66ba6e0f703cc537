"""serve: a registry on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelpack_cli.options import QuietOption
from modelpack_cli.output import note, result


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    folder: Annotated[Path, typer.Argument(help="An OCI layout; it is made if it is not there.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 picks a free one.")] = 5000,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse pushes and deletions.")] = False,
    cert_file: Annotated[Path | None, typer.Option(help="PEM certificate chain: serve HTTPS.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="PEM key of the certificate.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Serve an OCI layout as a registry, until Ctrl-C: for laptops, demos, CI and air-gapped desks.

    It speaks the OCI distribution specification (docker, oras, crane, skopeo and cosign work with it), with the referrers
    API and ranges, and no access control: all who reach it may read and, unless --read-only, write. Production
    registries are zot, Harbor and CNCF distribution.

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
    server.serve_forever()
