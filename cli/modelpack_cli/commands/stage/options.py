"""Options that several commands of ``stage`` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CacheOption = Annotated[Path, typer.Option("--to", metavar="DIR", help="The node cache, one volume.")]
NameOption = Annotated[str, typer.Option("--name", metavar="NAME", help="The link in DIR that leads to it.")]
LogOption = Annotated[str, typer.Option("--log", metavar="FORM", help="text, or json: one object a line on stderr.")]
TerminationLogOption = Annotated[
    Path | None,
    typer.Option(
        "--termination-log", metavar="PATH", help="Where the outcome goes; /dev/termination-log if that is there."
    ),
]
MetricsFileOption = Annotated[
    Path | None, typer.Option("--metrics-file", metavar="PATH", help="Prometheus text, for a textfile collector.")
]
MetricsListenOption = Annotated[
    str | None,
    typer.Option(
        "--metrics-listen",
        metavar="HOST:PORT",
        help="Answer /metrics, /healthz and /readyz (ready once staged) while running; :9090 is on all addresses.",
    ),
]
