"""The parts of a fill-in-the-middle prompt, before any model family's template is applied."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ContextFile:
    """A piece of another file that helps to complete this one."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class FimPrompt:
    """All parts of a prompt, as text.

    `prefix` ends at the anchor, and `middle` is the text between the anchor and the cursor. In SPM order, a model sees
    `prefix + middle` joined; in PSM order, it sees `middle` after its middle token, so that typing only ever appends
    to the prompt. Without an anchor, `middle` is empty.
    """

    prefix: str
    suffix: str = ""
    middle: str = ""
    path: str = ""
    language: str = ""
    context: tuple[ContextFile, ...] = ()
