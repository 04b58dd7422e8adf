"""Computes the single edit between two texts, for clients that send whole documents. Pure."""

from __future__ import annotations

from aix_lsp.completion.text import Edit, Position, Text, content_length


def minimal_edit(before: Text, after: Text) -> Edit | None:
    """The smallest single edit from `before` to `after`; None if they are equal.

    So typing looks like typing however the client sends it, and unchanged lines stay shared.
    """
    shared = min(before.line_count, after.line_count)
    top = _first_unequal(before, after, shared)
    if top == before.line_count == after.line_count:
        return None
    top = min(top, shared - 1)
    bottom = _equal_from_end(before, after, shared - 1 - top)
    old = before.lines(top, before.line_count - bottom)
    new = after.lines(top, after.line_count - bottom)
    head = _common_head(old[0], new[0])
    start = Position(top, head)
    if _ending(old[-1]) != _ending(new[-1]):  # no position is inside an ending, so it is replaced as a whole
        end, new_end = Position(top + len(old), 0), Position(top + len(new), 0)
    else:
        room = min(
            content_length(old[-1]) - (head if len(old) == 1 else 0),
            content_length(new[-1]) - (head if len(new) == 1 else 0),
        )
        tail = _common_tail(old[-1], new[-1], room)
        end = Position(top + len(old) - 1, content_length(old[-1]) - tail)
        new_end = Position(top + len(new) - 1, content_length(new[-1]) - tail)
    return Edit(start, end, after.slice(start, new_end))


def _ending(line: str) -> str:
    return line[content_length(line) :]


def _first_unequal(before: Text, after: Text, shared: int) -> int:
    """How many lines are equal from the start."""
    step, at = 256, 0
    while at < shared:
        stop = min(at + step, shared)
        old, new = before.lines(at, stop), after.lines(at, stop)
        if old != new:
            return at + next(i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
        at = stop
    return at


def _equal_from_end(before: Text, after: Text, most: int) -> int:
    """How many lines are equal from the end, at most `most`."""
    step, done = 256, 0
    while done < most:
        size = min(step, most - done)
        old = before.lines(before.line_count - done - size, before.line_count - done)
        new = after.lines(after.line_count - done - size, after.line_count - done)
        if old != new:
            pairs = zip(reversed(old), reversed(new), strict=True)
            return done + next(i for i, (a, b) in enumerate(pairs) if a != b)
        done += size
    return done


def _common_head(old: str, new: str) -> int:
    """The length of the common beginning of two lines, not counting their endings."""
    limit = min(content_length(old), content_length(new))
    if old[:limit] == new[:limit]:
        return limit
    low, high = 0, limit
    while low < high:  # bisecting with slices compares in C; a line may be a megabyte
        middle = (low + high + 1) // 2
        if old[:middle] == new[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_tail(old: str, new: str, limit: int) -> int:
    """The length of the common end of two lines before their equal line endings, at most `limit`."""
    old_end, new_end = content_length(old), content_length(new)
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if old[old_end - middle : old_end] == new[new_end - middle : new_end]:
            low = middle
        else:
            high = middle - 1
    return low
