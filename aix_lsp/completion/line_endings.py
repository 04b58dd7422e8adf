"""A document's own line endings: found near the cursor, given to every suggestion. Prompts have "\\n"."""

from __future__ import annotations

from aix_lsp.fim.reading import Lines

_LOOK_AT = 64


def line_ending(text: Lines, near: int) -> str:
    """The line ending in use around line `near`: "\\n", "\\r\\n" or "\\r"; "\\n" for a single line."""
    start = max(0, near - _LOOK_AT)
    counts = {"\n": 0, "\r\n": 0, "\r": 0}
    for line in text.lines(start, near + _LOOK_AT):
        ending = line[-2:] if line.endswith("\r\n") else line[-1:]
        if ending in counts:
            counts[ending] += 1
    return max(counts, key=lambda ending: counts[ending])


def with_ending(string: str, ending: str) -> str:
    """`string`, which has "\\n" endings, with `ending` instead."""
    return string if ending == "\n" else string.replace("\n", ending)
