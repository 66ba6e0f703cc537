"""Frozen dataclasses as JSON and back, by their annotations. What has its default is left out."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from modelpack.errors import DocumentError, InvalidDigest
from modelpack.oci import JSON, Digest

Value = TypeVar("Value")
_Decoder = Callable[[Any], Any]
_WRONG = (TypeError, ValueError, KeyError, AttributeError, InvalidDigest, RecursionError)


def pack(value: object) -> str:
    """A dataclass as compact JSON."""
    return json.dumps(_encode(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def unpack(kind: type[Value], text: str) -> Value:
    """The dataclass again. Raises DocumentError where it does not fit: an older or damaged record."""
    try:
        value: Value = _decoder(cast("Any", kind))(json.loads(text))
    except _WRONG as error:
        raise DocumentError("state file", "", f"a record of it is not readable: {type(error).__name__}") from None
    return value


def _encode(value: Any) -> JSON:
    match value:
        case Digest() | StrEnum():
            return str(value)
        case datetime():
            return value.isoformat()
        case list() | tuple():
            return [_encode(item) for item in value]
        case Mapping():
            return {str(key): _encode(item) for key, item in value.items()}
        case None | bool() | int() | float() | str():
            return value
    return {
        name: _encode(found)
        for name, default in _defaults(cast("Any", type(value)))
        if (found := getattr(value, name)) != default
    }


@cache
def _defaults(kind: Any) -> tuple[tuple[str, object], ...]:
    return tuple((item.name, _default(item)) for item in fields(kind))


def _default(item: Field[Any]) -> object:
    if item.default is not MISSING:
        return item.default
    return item.default_factory() if item.default_factory is not MISSING else MISSING


@cache
def _decoder(kind: Any) -> _Decoder:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _optional(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is dict or kind is dict:  # JSON as it is
        return dict
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(arguments)
    if kind is Digest:
        return Digest.parse
    if kind is datetime:
        return datetime.fromisoformat
    if is_dataclass(kind):
        return _dataclass(kind)
    return _plain(kind)


def _optional(arguments: tuple[Any, ...]) -> _Decoder:
    (inner,) = (_decoder(argument) for argument in arguments if argument is not types.NoneType)
    return lambda value: None if value is None else inner(value)


def _tuple(arguments: tuple[Any, ...]) -> _Decoder:
    if arguments[-1] is Ellipsis:
        inner = _decoder(arguments[0])
        return lambda value: tuple(map(inner, value))
    each = tuple(map(_decoder, arguments))
    return lambda value: tuple(decode(item) for decode, item in zip(each, value, strict=True))


def _mapping(arguments: tuple[Any, ...]) -> _Decoder:
    inner = _decoder(arguments[1])
    key = _decoder(arguments[0])
    return lambda value: {key(name): inner(item) for name, item in value.items()}


def _dataclass(kind: Any) -> _Decoder:
    hints = get_type_hints(kind, localns={"JSON": Any})  # an alias that stands in quotes where it is made
    decoders = {item.name: _decoder(hints[item.name]) for item in fields(kind)}
    return lambda value: kind(**{name: decoders[name](item) for name, item in value.items()})


def _plain(kind: type) -> _Decoder:
    if issubclass(kind, StrEnum):
        return lambda value: kind(value)

    def check(value: Any) -> Any:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise TypeError(kind.__name__)
        return value

    return check
