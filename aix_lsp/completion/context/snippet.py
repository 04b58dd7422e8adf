"""A piece of text that may help at a cursor, and where it comes from. Knows no index and no prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Source = Literal["imports", "siblings", "definitions", "similar", "recent", "clipboard"]
SOURCES: tuple[Source, ...] = get_args(Source)
"""All sources, from what changes least while one works in a file to what changes most."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some lines of a file, whole or its signatures only."""

    source: Source
    path: str
    """As the model is told it: inside the workspace, never absolute."""
    text: str
    uri: str = ""
    """The file that it comes from; empty where it comes from none."""
    rank: int = 0
    """Its place among what the source has found, 0 for the best."""
    placeholders: tuple[str, ...] = ()
    """What stands in it in place of secrets, where that is known."""
