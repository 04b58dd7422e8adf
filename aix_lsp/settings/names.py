"""External names of the options (`maxTokens`) and the fields behind them (`max_tokens`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache
from typing import get_type_hints

from aix_lsp.settings.table import EngineOptions, Option, Settings

SECTION = "aix"
STRING_OR_LIST = str | list[str]
"""The type of an option that is one string or several."""


def external(field_name: str) -> str:
    """A field's name in settings files and editors: `maxTokens` for `max_tokens`."""
    first, *rest = field_name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@cache
def options() -> dict[str, Option]:
    """The table's options by external name, in the table's order."""
    return {external(option.name): option for option in _options(Settings)}


@cache
def engine_options() -> tuple[Option, ...]:
    """The options with which the engine is started."""
    return tuple(_options(EngineOptions))


def _options(table: type[EngineOptions]) -> Iterator[Option]:
    hints, defaults = get_type_hints(table), table()
    for field in fields(table):
        option: Option = field.metadata["option"]
        yield replace(option, name=field.name, kind=hints[field.name], default=getattr(defaults, field.name))


def closest(name: str, candidates: list[str]) -> str:
    """The candidate that `name` was probably meant to be, or an empty string."""
    # Importing difflib takes milliseconds, and it is needed only for mistakes.
    from difflib import get_close_matches

    def plain(text: str) -> str:
        return text.replace("_", "").replace("-", "").lower()

    by_plain = {plain(candidate): candidate for candidate in candidates}
    found = get_close_matches(plain(name), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else ""
