"""The engine's options as command-line flags: declares them for `aix-lsp engine`, and writes them to start one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args, get_origin

from aix_lsp.settings.names import engine_options
from aix_lsp.settings.table import EngineOptions, Option

Command = TypeVar("Command", bound=Callable[..., Any])


def flag(field_name: str) -> str:
    """The command-line flag of a field: `--kv-memory-mb` for `kv_memory_mb`."""
    return "--" + field_name.replace("_", "-")


def engine_arguments(options: EngineOptions) -> list[str]:
    """The arguments that pass these options to `aix-lsp engine`."""
    arguments: list[str] = []
    for option in engine_options():
        name, value = flag(option.name), getattr(options, option.name)
        if isinstance(value, bool):
            arguments += [] if value == option.default else [name if value else _negated(name)]
        elif value or option.default:
            arguments += [name, f"{value:g}" if isinstance(value, float) else str(value)]
    return arguments


def engine_flags(command: Command) -> Command:
    """Declare a flag for each of the engine's options, with its default; a decorator for a click command."""
    import click

    for option in reversed(engine_options()):
        is_flag, name = option.kind is bool, flag(option.name)
        unit = f" ({option.unit})" if option.unit else ""
        declare = click.option(
            f"{name}/{_negated(name)}" if is_flag and option.default else name,
            is_flag=is_flag,
            default=option.default,
            show_default=not is_flag and option.default != "",
            type=_click_type(option),
            help=option.doc.replace("`", "") + unit,
        )
        command = declare(command)
    return command


def _negated(flag: str) -> str:
    return "--no-" + flag.removeprefix("--")


def _click_type(option: Option) -> Any:
    import click

    if get_origin(option.kind) is Literal:
        return click.Choice(get_args(option.kind))
    if option.kind is int:
        low, high = (None if bound is None else int(bound) for bound in (option.minimum, option.maximum))
        return click.IntRange(low, high)
    if option.kind is float:
        return click.FloatRange(option.minimum, option.maximum)
    if option.kind in (str, bool):
        return option.kind
    raise TypeError(f"{option.name}: an engine option cannot be a {option.kind}, which no flag holds")
