"""Who may import whom, and the other rules that keep the code simple (see ARCHITECTURE.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.contract.sources import CLI, LIBRARY, ROOT, Module, imports, is_standard, modules

ORDER = (
    {"errors"},
    {"paths", "yamlfile"},
    {"oci"},
    {"formats"},
    {"store"},
    {"pack", "unpack", "trust", "scan", "serve"},
    {"attest"},
    {"stage", "audit", "compare"},
    {"facade"},
    {"modelpack_cli"},
)
"""Lowest first. A layer imports from those before it; layers that stand together do not know each other."""
RANK = {layer: rank for rank, layers in enumerate(ORDER) for layer in layers}

OWNERS = {
    "asn1crypto": {"trust"},
    "cbor2": {"trust"},
    "cryptography": {"trust"},
    "huggingface_hub": {"pack"},
    "id": {"modelpack_cli"},
    "jinja2": {"scan"},
    "jsonschema": {"oci"},
    "opentelemetry": {"modelpack_cli"},
    "oras": {"store"},
    "referencing": {"oci"},
    "requests": {"store"},
    "rich": {"modelpack_cli"},
    "sigstore": {"trust"},
    "typer": {"modelpack_cli"},
    "urllib3": {"store"},
    "yaml": {"pack", "yamlfile"},
    "zstandard": {"pack", "unpack"},
}
"""Who may import which third-party package; what is not here may not be imported at all."""

AMBIENT = {
    "os": {"environ", "environb", "getenv", "getenvb", "putenv", "getlogin"},
    "sys": {"argv", "exit", "stdin", "stdout", "stderr"},
    "Path": {"home"},
    "builtins": {"print", "input", "exit"},
}
"""What reaches for the process's surroundings: only the command line does that, and passes values in."""

MODULES = modules()
FILES = [
    path for folder in ("modelpack", "cli", "tests", "bench", "examples") for path in (ROOT / folder).rglob("*.py")
]


def wrong_imports(module: Module) -> list[str]:
    """Imports that break the order or take a package from its owner."""
    return [
        f"{module.where(node)}: {problem}"
        for node, name in imports(module)
        if (problem := _problem(module.layer, name))
    ]


def _problem(layer: str, name: str) -> str:
    top, _, rest = name.partition(".")
    if top == "modelpack_cli":
        target = top
    elif top == "modelpack":
        # what is no layer is one of the façade's own names, as in `from modelpack import pull`
        target = rest.split(".")[0] if rest.split(".")[0] in RANK else "facade"
    else:
        allowed = is_standard(top) or layer in OWNERS.get(top, ())
        return "" if allowed else f"{layer} may not import {name}"
    if target == layer or RANK[target] < RANK[layer]:
        return ""
    return f"{layer} may not import {name}"


def test_layers_import_only_what_is_below_them() -> None:
    assert [problem for module in MODULES for problem in wrong_imports(module)] == []


def test_every_layer_has_its_place() -> None:
    assert {module.layer for module in MODULES} - set(RANK) == set()


@pytest.mark.parametrize(
    ("layer", "text", "wrong"),
    [
        ("oci", "from modelpack.errors import InputError", False),
        ("oci", "import json, re", False),
        ("oci", "from modelpack.store import Store", True),
        ("oci", "def f():\n    import modelpack.store.base", True),
        ("pack", "from modelpack.unpack import unpack", True),
        ("pack", "from modelpack import oci", False),
        ("pack", "from modelpack import serve", True),
        ("pack", "from modelpack import pull", True),
        ("pack", "import modelpack", True),
        ("store", "import requests", False),
        ("pack", "from requests import Session", True),
        ("store", "import numpy", True),
        ("store", "from .sources import Source", True),
        ("store", "from modelpack_cli import main", True),
        ("modelpack_cli", "from modelpack import __version__, pull\nimport typer, modelpack.errors", False),
    ],
)
def test_the_import_rule_itself(layer: str, text: str, wrong: bool) -> None:
    assert bool(wrong_imports(Module.parse(text, layer))) == wrong


def test_importing_the_library_loads_no_third_party_package() -> None:
    program = "import sys; before = set(sys.modules); import modelpack as m; "
    program += "[getattr(m, name) for name in m.__all__]; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()} - {"modelpack"}
    assert {name for name in loaded if not is_standard(name)} == set()


def test_the_library_knows_nothing_of_its_surroundings() -> None:
    library = [module for module in MODULES if module.layer != "modelpack_cli"]
    assert [module.where(node) for module in library for node in ast.walk(module.tree) if is_ambient(node)] == []


def is_ambient(node: ast.AST) -> bool:
    """Whether an expression reads the environment or a home directory, prints, or ends the process."""
    match node:
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return name in AMBIENT.get(owner, ()) or name == "expanduser"
        case ast.ImportFrom(module="os" | "sys" as owner, names=names):
            return any(alias.name in AMBIENT[owner] for alias in names)
        case ast.Call(func=ast.Name(id=name)):
            return name in AMBIENT["builtins"]
        case ast.Attribute(attr=name):
            return name in ("expanduser", "expandvars")
    return False


@pytest.mark.parametrize(
    ("text", "ambient"),
    [
        ("os.environ['HOME']", True),
        ("from os import getenv", True),
        ("Path.home()", True),
        ("Path('x').expanduser()", True),
        ("os.path.expanduser('~')", True),
        ("print(1)", True),
        ("process.stdout.read()", False),
        ("os.path.join(a, b)", False),
    ],
)
def test_the_rule_about_surroundings_itself(text: str, ambient: bool) -> None:
    assert any(is_ambient(node) for node in ast.walk(ast.parse(text))) == ambient


def test_files_stay_short() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_functions_stay_short() -> None:
    long = {
        f"{module.where(node)} {node.name}": lines
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef) and (lines := length(node)) > 40
    }
    assert long == {}


def length(function: ast.FunctionDef) -> int:
    """Lines of code: without the signature, which for a command is its table of options, and without the docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_folders_stay_small() -> None:
    sizes = Counter(str(module.path.parent.relative_to(ROOT)) for module in MODULES if module.path.stem != "__init__")
    assert {name: size for name, size in sizes.items() if size > 9} == {}


def test_names_say_what_is_inside() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "core"}
    assert [str(path) for path in FILES if {path.stem, path.parent.name} & empty] == []


def test_every_folder_says_what_it_is_and_what_it_offers() -> None:
    for folder in (path.parent for path in LIBRARY.rglob("__init__.py")):
        tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), folder
        assigned = {name.id for node in tree.body if isinstance(node, ast.Assign) for name in _names(node)}
        assert "__all__" in assigned, folder


def _names(node: ast.Assign) -> list[ast.Name]:
    return [target for target in node.targets if isinstance(target, ast.Name)]


def test_nothing_is_left_for_later() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    texts = {path: path.read_text(encoding="utf-8") for folder in (LIBRARY, CLI) for path in Path(folder).rglob("*.py")}
    assert [str(path) for path, text in texts.items() if any(mark in text for mark in marks)] == []
