"""What the completion service takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aix_lsp.completion.document import DocumentSnapshot, Position

Trigger = Literal["automatic", "invoked"]


@dataclass(frozen=True, slots=True)
class SelectedCompletion:
    """The entry selected in the editor's popup: `text` would replace from `start` to the cursor."""

    start: Position
    text: str
    replace_right: int = 0
    """How many characters right of the cursor it would replace, too."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One request for suggestions at one place of one snapshot."""

    document: DocumentSnapshot
    position: Position
    trigger: Trigger = "automatic"
    channel: str = "inline"
    """Requests of one channel and document supersede each other; "inline", "popup" or "stream"."""
    candidates: int = 1
    selected: SelectedCompletion | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text to insert at the cursor, replacing `replace_right` characters (code points) right of it.

    Line endings are the document's own.
    """

    id: str
    text: str
    replace_right: int = 0
    source: Literal["model", "reuse"] = "model"
    prompt_tokens: int = 0
    reused_tokens: int = 0
    completion_tokens: int = 0
    first_text_ms: float = 0.0
    total_ms: float = 0.0
    mean_logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """The suggestions so far, best first; each candidate's text is cumulative. `done` marks the last."""

    suggestions: tuple[Suggestion, ...]
    done: bool


class Superseded(Exception):
    """A newer request of the same channel and document has taken this one's place."""


class ContentModified(Exception):
    """The document changed in a way that makes the answer useless."""
