"""The engine's options as command-line flags: declared for `aix-lsp engine`, and written by whoever starts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from aix_lsp.settings.table import EngineOptions

Command = TypeVar("Command", bound=Callable[..., Any])


def flag(field_name: str) -> str:
    """`kv_memory_mb` as a command line has it: `--kv-memory-mb`."""
    return "--" + field_name.replace("_", "-")


def engine_arguments(options: EngineOptions) -> list[str]:
    """The arguments that give these options to `aix-lsp engine`."""
    arguments: list[str] = []
    for field in fields(EngineOptions):
        name, value = flag(field.name), getattr(options, field.name)
        if isinstance(value, bool):
            arguments += [] if value == field.default else [name if value else _negated(name)]
        elif value or field.default:
            arguments += [name, f"{value:g}" if isinstance(value, float) else str(value)]
    return arguments


def engine_flags(command: Command) -> Command:
    """Declare a flag for each of the engine's options, with its default; a decorator for a click command."""
    import click

    hints = get_type_hints(EngineOptions)
    for field in reversed(fields(EngineOptions)):
        kind, name = hints[field.name], flag(field.name)
        unit = f" ({field.metadata['unit']})" if field.metadata["unit"] else ""
        declare = click.option(
            f"{name}/{_negated(name)}" if kind is bool and field.default else name,
            is_flag=kind is bool,
            default=field.default,
            show_default=kind is not bool and field.default != "",
            type=_click_type(kind, field),
            help=field.metadata["doc"].replace("`", "") + unit,
        )
        command = declare(command)
    return command


def _negated(flag: str) -> str:
    return "--no-" + flag.removeprefix("--")


def _click_type(kind: Any, field: Field[Any]) -> Any:
    import click

    minimum, maximum = field.metadata["minimum"], field.metadata["maximum"]
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if kind is int:
        return click.IntRange(minimum, maximum)
    if kind is float:
        return click.FloatRange(minimum, maximum)
    if kind in (str, bool):
        return kind
    raise TypeError(f"{field.name}: an engine option cannot be a {kind}, which no flag holds")
