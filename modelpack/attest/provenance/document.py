"""Provenance that people write by hand: ``prov.yaml``. The format is described in docs/sbom.md."""

from __future__ import annotations

import re
from datetime import datetime

from modelpack.attest.provenance.model import LOCAL_BUILDER, PACK, Material, Provenance
from modelpack.attest.provenance.run import material
from modelpack.errors import DocumentError, InputError
from modelpack.oci import JSON
from modelpack.oci.fields import Fields, member
from modelpack.oci.schema import is_date_time
from modelpack.pack.metadata.card import Node, parse_yaml

MAX_FILE = 1 << 20
_MAX_LIST = 1000
_DOCUMENT = "prov.yaml"
_TOP = frozenset({"version", "build", "source", "base_models", "datasets", "inputs"})
_BUILD = frozenset({"type", "builder", "invocation", "started", "finished", "parameters"})
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def parse_provenance(data: bytes) -> Provenance:
    """Read a ``prov.yaml``. Raises DocumentError with the path of what is wrong: nothing unknown is passed over."""
    if len(data) > MAX_FILE:
        raise DocumentError(_DOCUMENT, "", f"{len(data)} bytes are more than the {MAX_FILE} allowed")
    try:
        tree = parse_yaml(data.decode())
    except UnicodeDecodeError as error:
        raise DocumentError(_DOCUMENT, "", f"not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise DocumentError(_DOCUMENT, "", str(error)) from None
    root = Fields(_object(tree), _DOCUMENT)
    _only(root, _TOP)
    if root.text("version") != "1":
        root.fail("version", "1 is required")
    build = root.object("build")
    _only(build, _BUILD)
    try:
        return Provenance(
            build.text("type", PACK),
            build.text("builder", LOCAL_BUILDER),
            parameters=build.object("parameters").value,
            dependencies=(*_sources(root), *_origins(root)),
            invocation=build.text("invocation", ""),
            started=_time(build, "started"),
            finished=_time(build, "finished"),
        )
    except InputError as error:
        build.fail("", str(error))


def _sources(root: Fields) -> tuple[Material, ...]:
    if root.value.get("source") is None:
        return ()
    source = root.object("source")
    _only(source, frozenset({"uri", "commit"}))
    commit = source.text("commit", "")
    if commit and not _COMMIT.fullmatch(commit):
        source.fail("commit", "a git commit in lower-case hexadecimal is required")
    return (Material(_uri(source), "source", {"gitCommit": commit} if commit else {}),)


def _origins(root: Fields) -> list[Material]:
    found: list[Material] = []
    for key, role in (("base_models", "base-model"), ("datasets", "dataset"), ("inputs", "input-file")):
        for item in root.objects(key, limit=_MAX_LIST):
            _only(item, frozenset({"uri", "sha256"} | ({"relation"} if role == "base-model" else set())))
            try:
                found.append(
                    material(_uri(item), role=role, relation=item.text("relation", ""), sha256=item.text("sha256", ""))
                )
            except InputError as error:
                item.fail("", str(error))
    return found


def _uri(fields: Fields) -> str:
    uri = fields.text("uri")
    if not uri.strip() or len(uri) > 512:
        fields.fail("uri", "1 to 512 characters are required")
    return uri.strip()


def _time(fields: Fields, key: str) -> datetime | None:
    text = fields.text(key, "")
    if not text:
        return None
    if not is_date_time(text):
        fields.fail(key, "a date and time of RFC 3339 is required")
    try:
        moment = datetime.fromisoformat(text.upper())
        moment.astimezone()
    except (ValueError, OverflowError):
        fields.fail(key, "a time that no clock shows")
    return moment


def _only(fields: Fields, names: frozenset[str]) -> None:
    for name in fields.value:
        if name not in names:
            raise DocumentError(
                _DOCUMENT, member(fields.path, name), f"no such key; known are {', '.join(sorted(names))}"
            )


def _object(tree: Node) -> dict[str, JSON]:
    """YAML's texts, lists and mappings are JSON's too."""
    if not isinstance(tree, dict):
        raise DocumentError(_DOCUMENT, "", "keys and values are expected")
    found: dict[str, JSON] = {}
    for key, value in tree.items():
        found[key] = _json(value)
    return found


def _json(value: Node) -> JSON:
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    return [_json(item) for item in value] if isinstance(value, list) else value
