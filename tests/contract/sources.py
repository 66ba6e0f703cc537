"""The project's own source files, parsed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "modelpack"
CLI = ROOT / "cli" / "modelpack_cli"


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file. ``layer`` is its folder below ``modelpack``, ``errors``, ``modelpack_cli``, or ``facade``.

    The façade is what lies directly in ``modelpack``.
    """

    path: Path
    layer: str
    tree: ast.Module

    @classmethod
    def parse(cls, text: str, layer: str, path: Path = Path("example.py")) -> Module:
        """A module from its text."""
        return cls(path, layer, ast.parse(text))

    def where(self, node: ast.AST) -> str:
        """``file:line``."""
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{getattr(node, 'lineno', 1)}"


def modules() -> list[Module]:
    """Both packages."""
    files = [*sorted(LIBRARY.rglob("*.py")), *sorted(CLI.rglob("*.py"))]
    return [Module.parse(path.read_text(encoding="utf-8"), _layer(path), path) for path in files]


def _layer(path: Path) -> str:
    if path.is_relative_to(CLI):
        return "modelpack_cli"
    if path.parent == LIBRARY:
        return "errors" if path.stem == "errors" else "facade"
    return path.relative_to(LIBRARY).parts[0]


def imports(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Each import statement with the dotted name that it reaches for."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, _imported(node, alias.name)) for alias in node.names)


def _imported(node: ast.ImportFrom, name: str) -> str:
    # `from modelpack import oci` reaches for the layer, `from modelpack.oci import Digest` for the module before the name.
    base = "." * node.level + (node.module or "")
    return f"{base}.{name}" if base == "modelpack" else base


def is_standard(name: str) -> bool:
    """Whether a top-level module comes with Python (or, for ``_typeshed``, with every type checker)."""
    return name in sys.stdlib_module_names or name == "_typeshed"
