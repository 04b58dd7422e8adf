"""Follows a span of text through edits, and compares what was typed in it with what a model generates. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aix_lsp.completion.text import Edit, Position, Span, Text, after

MOST_TYPED_AHEAD = 24
"""How many characters a typist may be ahead of a running generation before it is given up."""

_PAIRED = re.compile(r"[)\]}>\"'`]{1,4}\Z")


def follow(span: Span, before: Text, edits: Iterable[Edit]) -> Span | None:
    """The span after `edits`, made one after another; None where an edit crossed one of its ends."""
    text = before
    current: Span | None = span
    for edit in edits:
        current = _moved(current, shrink(edit, text)) if current else None
        if current is None:
            return None
        text = text.replace(edit.start, edit.end, edit.text)
    return current


def compatible(produced: str, typed: str, running: bool) -> bool:
    """Whether `typed` is the head of `produced`, or, of a running generation, may yet become it.

    Brackets and quotes at the end of `typed` may be the editor's, which pairs them.
    """
    paired = _PAIRED.search(typed)
    shortest = paired.start() if paired else len(typed)
    for end in range(len(typed), shortest - 1, -1):
        form = typed[:end]
        if produced.startswith(form):
            return True
        if running and form.startswith(produced) and len(form) - len(produced) <= MOST_TYPED_AHEAD:
            return True
    return False


def shrink(edit: Edit, text: Text) -> Edit:
    """`edit` without what it leaves as it was: a client may replace a whole word to add a character."""
    if edit.start == edit.end:
        return edit
    whole, new = text.slice(edit.start, edit.end), edit.text
    head = _common(whole, new)
    old, new = whole[head:], new[head:]
    tail = _common(old[::-1], new[::-1])
    start = after(edit.start, whole[:head])
    return Edit(start, after(start, old[: len(old) - tail]), new[: len(new) - tail])


def _moved(span: Span, edit: Edit) -> Span | None:
    if edit.start == edit.end and not edit.text:
        return span
    if edit.start > span.end or (edit.start == span.end and not edit.text):
        return span
    if edit.start == span.end:  # typed, or an accepted text that replaced closers right of the cursor
        return Span(span.start, after(edit.start, edit.text))
    if edit.end <= span.start and edit.start < span.start:
        return Span(_shifted(span.start, edit), _shifted(span.end, edit))
    if edit.start >= span.start and edit.end <= span.end:
        return Span(span.start, _shifted(span.end, edit))
    return None


def _shifted(position: Position, edit: Edit) -> Position:
    """Where a position at or after the edit's end has gone."""
    end = after(edit.start, edit.text)
    if position.line > edit.end.line:
        return Position(position.line + end.line - edit.end.line, position.column)
    return Position(end.line, end.column + position.column - edit.end.column)


def _common(one: str, other: str) -> int:
    """Length of the common head, by bisection: comparing slices is far faster than comparing characters."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
