"""Filters for generated text. Each takes the text so far, the cursor, and whether the text is complete."""

from __future__ import annotations

from typing import NamedTuple


class Cut(NamedTuple):
    """The part of a generated text that may be shown, and whether nothing further ever will be.

    Filters see the whole text so far and work on streams: what they show only grows as more text arrives. Text about
    which they cannot decide yet is held back until more text, or the end, decides. (`repetition` is the exception.)
    """

    text: str
    stop: bool = False
