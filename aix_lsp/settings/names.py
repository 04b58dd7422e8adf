"""External names of the options (`maxTokens`) and the fields behind them (`max_tokens`)."""

from __future__ import annotations

from dataclasses import Field, fields
from functools import cache
from typing import Any, get_type_hints

from aix_lsp.settings.table import Settings

SECTION = "aix"
STRING_OR_LIST = str | list[str]
"""The type of an option that is one string or several."""


def external(field_name: str) -> str:
    """`max_tokens` as settings files and editors write it: `maxTokens`."""
    first, *rest = field_name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@cache
def options() -> dict[str, Field[Any]]:
    """The table's fields by external name, in the table's order."""
    return {external(field.name): field for field in fields(Settings)}


@cache
def types() -> dict[str, Any]:
    """The options' types by external name."""
    hints = get_type_hints(Settings)
    return {name: hints[field.name] for name, field in options().items()}


def closest(name: str, candidates: list[str]) -> str:
    """The candidate that `name` was probably meant to be, or an empty string."""
    # difflib costs milliseconds to import and serves mistakes only.
    from difflib import get_close_matches

    def plain(text: str) -> str:
        return text.replace("_", "").replace("-", "").lower()

    by_plain = {plain(candidate): candidate for candidate in candidates}
    found = get_close_matches(plain(name), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else ""
