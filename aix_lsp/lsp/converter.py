"""Converts parsed JSON to lsprotocol's types and back: strict about types, lenient about unknown enum values."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, get_args, get_origin

from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError, IterableValidationError, IterableValidationNote
from lsprotocol import types
from pygls.protocol import default_converter

_UINTEGER_MAX = 2**31 - 1

_FALLBACK: dict[type[enum.Enum], enum.Enum] = {
    types.CompletionTriggerKind: types.CompletionTriggerKind.Invoked,
    # Drafts of LSP 3.18, and VS Code's own interface, counted from 0.
    types.InlineCompletionTriggerKind: types.InlineCompletionTriggerKind.Invoked,
    types.TraceValue: types.TraceValue.Off,
    types.NotebookCellKind: types.NotebookCellKind.Code,
}


@cache
def shared_converter() -> Converter:
    """The converter shared by all sessions, so that what it compiled for one client serves the next."""
    converter: Converter = default_converter()  # type: ignore[no-untyped-call]
    converter.register_structure_hook(str, _string)
    converter.register_structure_hook(int, _integer)
    for kind, fallback in _FALLBACK.items():
        converter.register_structure_hook(kind, _lenient(kind, fallback))
    converter.register_structure_hook(types.Position, _position)
    converter.register_structure_hook_factory(_is_list, lambda kind: _list(kind, converter))
    return converter


def reason(error: Exception) -> str:
    """Why params could not be read, for the client's developer."""
    if isinstance(error, BaseValidationError):
        return "; ".join(transform_error(error, "params"))[:500]
    return str(error)[:500]


def _string(value: Any, _: type) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, not {type(value).__name__}")
    return value


def _integer(value: Any, _: type) -> int:
    whole = isinstance(value, float) and value.is_integer()
    if isinstance(value, bool) or not (isinstance(value, int) or whole):
        raise TypeError(f"expected an integer, not {type(value).__name__}")
    return int(value)


def _is_list(kind: Any) -> bool:
    origin: Any = get_origin(kind)
    return origin is list or origin is Sequence


def _list(kind: Any, converter: Converter) -> Callable[[Any, Any], list[Any]]:
    """Read a list up to its first invalid item. cattrs collects an error with a traceback for each: 3 KB, and for a
    string in place of a list one for each character."""
    (item,) = get_args(kind)

    def structure(value: Any, _: Any) -> list[Any]:
        if not isinstance(value, list):
            raise TypeError(f"expected a list, not {type(value).__name__}")
        found = []
        for at, each in enumerate(value):
            try:
                found.append(converter.structure(each, item))
            except Exception as error:
                error.add_note(IterableValidationNote(f"Structuring {kind} @ index {at}", at, item))
                raise IterableValidationError(f"While structuring {kind}", [error], kind) from None
        return found

    return structure


def _lenient(kind: type[enum.Enum], fallback: enum.Enum) -> Any:
    def structure(value: Any, _: type) -> enum.Enum:
        try:
            return kind(value)
        except ValueError:
            return fallback

    return structure


def _position(value: Any, _: type) -> types.Position:
    """Clamp to LSP's largest number: clients write "the end" as their own largest one."""
    if not isinstance(value, dict):
        raise TypeError("expected a position")
    line, character = (_integer(value.get(name), int) for name in ("line", "character"))
    return types.Position(min(line, _UINTEGER_MAX), min(character, _UINTEGER_MAX))
