"""Decides which source of settings may set which option, and how.

A less trusted source can only narrow what the sources before it have set: exclude more, switch off, lower. Nothing that
a project's author has written can make the program run, contact or send anything against the user's wishes.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any, Protocol


class SettingsSource(StrEnum):
    """Where a setting comes from; later sources win. The values are the names used in messages."""

    DEFAULTS = "the defaults"
    USER = "your own file"
    PROJECT = "the project's file"
    EDITOR = "the editor's settings"
    CLIENT = "initializationOptions"
    FLAGS = "the command line"
    COMMANDS = "commands"


class Trust(IntEnum):
    """How far a source is trusted."""

    NARROWS = 0
    """It can switch off, lower and exclude; its other values are ignored."""
    SHAPES = 1
    """It chooses how suggestions look; options that decide what is sent it can only narrow."""
    CHOOSES = 2
    """It speaks for the user."""


def trust_in(source: SettingsSource, *, client: bool = True, workspace: bool = True) -> Trust:
    """How far a source is trusted.

    `client` says whether the client has shown that it is the user's own (it has started us, or has the token),
    `workspace` whether the editor trusts the workspace.
    """
    if source is SettingsSource.PROJECT:
        return Trust.SHAPES if workspace else Trust.NARROWS
    if source in (SettingsSource.EDITOR, SettingsSource.CLIENT, SettingsSource.COMMANDS):
        return Trust.CHOOSES if client else Trust.SHAPES
    return Trust.CHOOSES


class Refused(Exception):
    """A source may not give a setting this value. The message tells the user why."""


class Option(Protocol):
    """The attributes of an option that decide who may set it (settings/table.py)."""

    @property
    def scope(self) -> str: ...

    @property
    def narrows(self) -> bool: ...


_OWN = "put it into your own settings (`aix-lsp settings --where`)."
_ORDER = {"never": 0, "auto": 1, "always": 2}


def check(trust: Trust, option: Option) -> None:
    """Raise Refused if a source with this trust may not set an option at all."""
    if trust < Trust.CHOOSES and option.scope == "user":
        raise Refused(
            f"a project may not set this, because it decides what is run, contacted or sent; {_OWN}"
        )
    if trust < Trust.SHAPES and not option.narrows:
        raise Refused(
            "a workspace that is not trusted may only turn things off; trust it in the editor first."
        )


def narrowed(trust: Trust, option: Option, value: Any, held: Any) -> Any:
    """`value`, narrowed if necessary; `held` is the value of more trusted sources, or the default."""
    if trust >= Trust.CHOOSES or not option.narrows:
        return value
    if isinstance(value, str):
        return min(value, held, key=_ORDER.__getitem__)
    return min(value, held)


def excluding(trust: Trust, patterns: list[str]) -> tuple[list[str], bool]:
    """The patterns that a source may add to `exclude`, and whether any were left out because they allow something."""
    if trust >= Trust.CHOOSES:
        return patterns, False
    kept = [pattern for pattern in patterns if not _allows(pattern)]
    return kept, len(kept) < len(patterns)


def _allows(pattern: str) -> bool:
    """Whether a pattern undoes others, or may be read as one that does.

    Readers of ignore files strip blanks and a byte-order mark, and end a pattern at the end of a line.
    """
    return any(line.strip().lstrip("\ufeff\u200b \t").startswith("!") for line in pattern.splitlines())


UNTRUSTED_LIMITS: dict[str, Any] = {
    "contextTokens": 0,
    "contextImports": False,
    "contextDefinitions": False,
    "contextSiblings": False,
    "contextSimilar": False,
}
"""Settings in a workspace that the editor does not trust: none of its other files are parsed and indexed."""
