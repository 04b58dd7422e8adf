"""Computes the single edit between two texts, for clients that send whole documents. Pure."""

from __future__ import annotations

from aix_lsp.completion.text import Edit, Position, Text, common, content_length


def minimal_edit(before: Text, after: Text) -> Edit | None:
    """The smallest single edit from `before` to `after`; None if they are equal.

    So typing looks like typing however the client sends it, and unchanged lines stay shared.
    """
    old, new = before.lines(0, before.line_count), after.lines(0, after.line_count)
    top = common(old, new)
    if top == len(old) == len(new):
        return None
    top = min(top, len(old) - 1, len(new) - 1)
    bottom = common(old[:top:-1], new[:top:-1])
    old, new = old[top : len(old) - bottom], new[top : len(new) - bottom]
    head = common(_content(old[0]), _content(new[0]))
    start = Position(top, head)
    if _ending(old[-1]) != _ending(new[-1]):  # no position is inside an ending, so it is replaced as a whole
        end, new_end = Position(top + len(old), 0), Position(top + len(new), 0)
    else:
        last, new_last = _content(old[-1]), _content(new[-1])
        rest, new_rest = last[head if len(old) == 1 else 0 :], new_last[head if len(new) == 1 else 0 :]
        tail = common(rest[::-1], new_rest[::-1])
        end = Position(top + len(old) - 1, len(last) - tail)
        new_end = Position(top + len(new) - 1, len(new_last) - tail)
    return Edit(start, end, after.slice(start, new_end))


def _content(line: str) -> str:
    return line[: content_length(line)]


def _ending(line: str) -> str:
    return line[content_length(line) :]
