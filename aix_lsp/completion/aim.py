"""An ask worked out: the text with the popup's entry in it, the scene there, and what is wanted."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from aix_lsp.backends.base import ModelInfo
from aix_lsp.completion.document import DocumentSnapshot, Position
from aix_lsp.completion.extent import Extent, extent
from aix_lsp.completion.scene import Scene
from aix_lsp.completion.suggestion import Ask
from aix_lsp.completion.tracking import after
from aix_lsp.fim.confidence import NO_THRESHOLD, ConfidenceThresholds
from aix_lsp.fim.reading import normalise
from aix_lsp.settings import Settings

_HEAD = 0.02
"""Of suggestions that began with less, one of 20 had anything right (docs/quality.md)."""
_FURTHER = 0.1
"""After lines that were less likely, 1 of 86 second lines was right; after others, 2 of 23."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What an ask comes to. Positions are valid."""

    ask: Ask
    settings: Settings
    document: DocumentSnapshot
    """The ask's document with the selected entry of the popup inserted."""
    cursor: Position
    """The cursor in `document`."""
    scene: Scene
    extent: Extent
    shape: Hashable
    """What must be the same for a generation to be used again, besides the place."""
    wanted: int
    """How many candidates."""

    @property
    def real_start(self) -> Position:
        """Where in the ask's own document the popup's entry would go; its cursor without one."""
        ask = self.ask
        start = ask.selected.start if ask.selected else ask.cursor
        return ask.document.text.clamp(min(start, ask.cursor))

    @property
    def real_cursor(self) -> Position:
        """The cursor in the ask's own document."""
        return self.ask.document.text.clamp(self.ask.cursor)

    @property
    def least(self) -> ConfidenceThresholds:
        """The chances at which a suggestion ends. What was asked for by hand is shown in full."""
        sure = self.settings.confidence
        if self.ask.trigger == "invoked" or not sure:
            return NO_THRESHOLD
        further = 0.0 if self.settings.multiline == "always" else max(_FURTHER, sure)
        return ConfidenceThresholds(head=max(_HEAD, sure), whole=sure, further=further)

    @property
    def head(self) -> str:
        """The selected entry of the popup."""
        return normalise(self.ask.selected.text) if self.ask.selected else ""


def aim(ask: Ask, settings: Settings, model: ModelInfo | None, typed: str = "") -> Aim | None:
    """Work an ask out; None where no suggestion can help: in binary data, and, unasked, inside a word.

    `typed` is what was just written up to the cursor: a word that begins there is a new one, which only
    touches the word right of it until the blank between them is typed.
    """
    document, cursor = ask.document, ask.document.text.clamp(ask.cursor)
    if ask.selected is not None:
        start = document.text.clamp(min(ask.selected.start, cursor))
        end = document.text.clamp(Position(cursor.line, cursor.column + ask.selected.replace_right))
        document = replace(document, text=document.text.replace(start, end, ask.selected.text))
        cursor = after(start, ask.selected.text)
    scene = Scene.of(document, cursor)
    if "\0" in scene.before or "\0" in scene.after:
        return None
    if scene.in_word and ask.trigger == "automatic" and len(scene.word_before) > len(typed):
        return None
    invoked = ask.trigger == "invoked"
    model_name = model.name if model else ""
    shape = (
        settings.max_tokens,
        settings.multiline,
        settings.temperature,
        settings.recall,
        settings.confidence,
        model_name,
    )
    reach = extent(scene, settings.multiline, invoked)
    return Aim(ask, settings, document, cursor, scene, reach, shape, max(1, ask.candidates) if invoked else 1)
