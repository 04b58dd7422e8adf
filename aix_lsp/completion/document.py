"""Documents as the completion service sees them: immutable text, positions in code points."""

from __future__ import annotations

from dataclasses import dataclass

from aix_lsp.completion.text import Position, Text

__all__ = ["DocumentSnapshot", "Edit", "Position", "Text"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One change to a document: the text from `start` to `end` (before the change) became `text`."""

    start: Position
    end: Position
    text: str


@dataclass(frozen=True, slots=True)
class DocumentSnapshot:
    """A document at one version. Safe to keep: nothing changes it."""

    uri: str
    version: int
    language: str
    """The LSP language id, such as "python"; empty where unknown."""
    path: str
    """The path to show the model, relative to its workspace folder if there is one; empty if untitled."""
    text: Text
