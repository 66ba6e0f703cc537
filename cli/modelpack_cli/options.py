"""Options that several commands share."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperArgument, TyperCommand

from modelpack_cli import environment
from modelpack_cli.output import Format
from modelpack_cli.progress import Progress

if TYPE_CHECKING:
    from modelpack import Access, LayoutStore

ReferenceArgument = Annotated[
    str, typer.Argument(metavar="REFERENCE", help="registry.example/ml/minilm:v1, …@sha256:…, or oci:PATH:tag.")
]
KindOption = Annotated[
    list[str] | None,
    typer.Option("--kind", "-k", metavar="KIND", help="Only weight, weight.config, doc, code or dataset. Repeatable."),
]
AskRegistryOption = Annotated[
    bool, typer.Option("--remote", "-r", help="Ask the registry even if the model is in the local store.")
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the result.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks, only the result.")]
ProgressOption = Annotated[
    Progress,
    typer.Option("--progress", help="How to show progress on stderr; auto is bar on a terminal and plain elsewhere."),
]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="DIR", envvar="MODELPACK_STORE", show_envvar=True, help="The local store, an OCI layout."
    ),
]
IncludeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--include", "-i", metavar="GLOB", help="Only files that match: '*.safetensors', 'onnx/**'. Repeatable."
    ),
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option("--exclude", "-x", metavar="GLOB", help="No files that match. Repeatable.")
]

_CONNECTION = "Connection"
TRUST = "Trust"
REPORTS = "Reports"


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel=_CONNECTION, **settings)


_PARAMETERS: dict[str, tuple[Any, Any]] = {
    "plain_http": (
        Annotated[
            bool | None,
            _option(
                "--plain-http/--tls",
                show_default=False,
                help="HTTP or HTTPS; without either, HTTP for loopback hosts and HTTPS for all others.",
            ),
        ],
        None,
    ),
    "ca_file": (
        Annotated[
            Path | None,
            _option("--ca-file", metavar="PEM", help="Certificate authorities to trust, besides the system's."),
        ],
        None,
    ),
    "cert_file": (Annotated[Path | None, _option("--cert-file", metavar="PEM", help="A client certificate.")], None),
    "key_file": (Annotated[Path | None, _option("--key-file", metavar="PEM", help="The key of --cert-file.")], None),
    "insecure_skip_tls_verify": (
        Annotated[bool, _option("--insecure-skip-tls-verify", help="Do not check the registry's certificate.")],
        False,
    ),
    "registry_config": (
        Annotated[
            Path | None,
            _option(
                "--registry-config",
                metavar="JSON",
                help="Credentials; by default docker's config.json (DOCKER_CONFIG, REGISTRY_AUTH_FILE).",
            ),
        ],
        None,
    ),
    "mirror": (
        Annotated[
            list[str] | None,
            _option("--mirror", metavar="URL", help="Ask it for content first; digests still decide. Repeatable."),
        ],
        None,
    ),
    "hosts_dir": (
        Annotated[
            Path | None,
            _option(
                "--hosts-dir",
                metavar="DIR",
                envvar="MODELPACK_HOSTS_DIR",
                show_envvar=True,
                help="Mirrors as containerd knows them: DIR/HOST/hosts.toml.",
            ),
        ],
        None,
    ),
    "limit_rate": (
        Annotated[
            str | None,
            _option("--limit-rate", metavar="RATE", help="Bytes a second at most, both ways together: 500k, 10M, 1G."),
        ],
        None,
    ),
    "retries": (Annotated[int, _option("--retries", metavar="N", min=1, max=100, help="Attempts for a request.")], 6),
    "timeout": (
        Annotated[
            float,
            _option("--timeout", metavar="SECONDS", min=1, help="Give a connection up that is silent for so long."),
        ],
        60.0,
    ),
    "jobs": (Annotated[int, _option("--jobs", "-j", metavar="N", min=1, max=64, help="Files that move at a time.")], 8),
}

Body = TypeVar("Body", bound=Callable[..., None])


class Command(TyperCommand):
    """A command whose help lists options that many commands share last and apart."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the lists of arguments and options."""
        titles = {"Arguments": [], "Options": [], REPORTS: [], TRUST: [], _CONNECTION: []}  # type: dict[str, list[tuple[str, str]]]
        for parameter in self.get_params(ctx):
            title = "Arguments" if isinstance(parameter, TyperArgument) else "Options"
            if record := parameter.get_help_record(ctx):
                titles[getattr(parameter, "rich_help_panel", None) or title].append(record)
        for title, records in titles.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


Guard = Callable[[dict[str, Any]], AbstractContextManager[None]]
"""What is around the reading of options; it gets the other arguments of the command."""


def connects(command: Body, guard: Guard | None = None) -> Body:
    """Give a command the connection options; it receives them as one argument ``access``."""
    return gathered(command, "access", _PARAMETERS, _access, guard)


def gathered(
    command: Body,
    argument: str,
    parameters: dict[str, tuple[Any, Any]],
    build: Callable[..., Any],
    guard: Guard | None = None,
) -> Body:
    """Give a command options that it receives as one ``argument``, which ``build`` makes of them.

    ``parameters`` are annotations and defaults by name.
    """

    def run(**arguments: Any) -> None:
        chosen = {name: arguments.pop(name) for name in parameters}
        with guard(arguments) if guard else nullcontext():
            built = build(**chosen)
        command(**{argument: built}, **arguments)

    # The library's types are only imported for type checkers: it costs more start-up time than the whole command line.
    known = {"Access": None, "Trust": None}
    signature = inspect.signature(command, locals=known, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != argument]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in parameters.items()
    ]
    keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    run.__signature__ = inspect.Signature([*keyword, *shared])  # type: ignore[attr-defined]  # what Typer reads
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*keyword, *shared]}
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    return run  # type: ignore[return-value]  # the same command with more options


def _access(
    *,
    plain_http: bool | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    insecure_skip_tls_verify: bool,
    registry_config: Path | None,
    mirror: list[str] | None,
    hosts_dir: Path | None,
    limit_rate: str | None,
    retries: int,
    timeout: float,
    jobs: int,
) -> Access:
    from modelpack import TLS, Access, DockerConfig, HttpOptions, __version__
    from modelpack.store import DigestCache, FolderJournal, Mirror, Mirrors

    http = HttpOptions(
        plain_http=plain_http,
        tls=TLS(ca_file, cert_file, key_file, insecure_skip_tls_verify),
        proxies=environment.proxies(),
        read_timeout=timeout,
        retries=retries,
        user_agent=f"modelpack/{__version__}",
        limit_rate=_rate(limit_rate) if limit_rate else 0,
    )
    credentials = DockerConfig(registry_config or environment.docker_config())
    cache = environment.cache_folder()
    return Access(
        http,
        credentials,
        jobs,
        DigestCache(cache / "digests.sqlite"),
        FolderJournal(cache / "uploads"),
        mirrors=Mirrors(tuple(map(Mirror.parse, mirror or ())), hosts_dir),
    )


def _rate(text: str) -> int:
    """Bytes a second, written as for curl and wget: k, M and G stand for powers of 1024. Raises InputError."""
    from modelpack import InputError

    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([kmg]?)", text, re.IGNORECASE | re.ASCII)
    if not found:
        raise InputError(f"--limit-rate takes bytes a second, not {text[:40]!r}", hint="such as 500k, 10M or 1G")
    return math.ceil(float(found[1]) * (1 << 10 * " kmg".index(found[2].lower() or " ")))


def local_store(path: Path | None, *, link: bool = False) -> LayoutStore:
    """The local store; it is made if it is not there."""
    from modelpack import LayoutStore

    return LayoutStore(path or environment.default_store(), create=True, link=link)


def existing_store(path: Path | None) -> LayoutStore:
    """The local store. Raises NotFound if there is none yet."""
    if store := store_if_any(path):
        return store
    from modelpack import NotFound

    place = path or environment.default_store()
    raise NotFound(f"there is no local store at {place} yet", hint="pack and pull make it; --store names another")


def store_if_any(path: Path | None) -> LayoutStore | None:
    """The local store, if there is one: who only looks leaves no folder behind."""
    from modelpack import LayoutStore, NotFound

    try:
        return LayoutStore(path or environment.default_store(), create=False)
    except NotFound:
        return None
