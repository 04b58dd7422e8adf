"""Chooses the part of a document that the model sees, so that typing only appends to the prompt.

Pure: a window depends on the previous one, the text and the cursor. The prefix's left edge moves in steps, with
hysteresis. The suffix is a frozen snapshot, replaced when it was edited or the cursor has moved elsewhere, but not when
text was typed before it. The prefix ends at an anchor, and the text typed since then begins the middle. Knows nothing
of models, tokens or editors. Lengths are in characters (code points).
"""

from __future__ import annotations

from dataclasses import dataclass

from aix_lsp.fim.closers import without_closers, without_leading
from aix_lsp.fim.prompt import ContextFile, FimPrompt
from aix_lsp.fim.reading import LineColumn, Lines, between, distance, read

STEP_LINES = 32
STEP_COLUMNS = 512
_LINES_ABOVE = 8
"""A new middle begins this many whole lines above the cursor's: models that read the prefix first continue a middle
that has begun better than they begin one (docs/quality.md, `benchmarks.prompts`)."""
_FULL = 0.75
"""A new prefix takes this share of its budget, so that some typing fits before the edge moves again."""
_KEEP_AT_LEAST = 0.25
"""If, after a jump upwards, the edge is nearer than this share of the budget, a farther one is chosen."""


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """How much of a document goes into a prompt."""

    prefix_lines: int = 256
    suffix_lines: int = 64
    prefix_chars: int = 8192
    suffix_chars: int = 2048
    middle_lines: int = 32
    middle_chars: int = 2048


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a document around a cursor that goes into a prompt; all line endings are "\\n"."""

    prefix: str
    middle: str
    suffix: str
    left: LineColumn
    """Where the prefix begins: line and column."""
    head: str
    """The text at `left`, to notice that lines above it were added or removed."""
    line_count: int
    whole_suffix: bool
    """Whether the suffix reaches the document's end."""

    @property
    def size(self) -> int:
        """Characters."""
        return len(self.prefix) + len(self.middle) + len(self.suffix)

    def moved_from(self, previous: Window | None) -> bool:
        """Whether the model must read the whole prompt again, not only what was appended since `previous`."""
        return previous is None or (self.head, self.suffix) != (previous.head, previous.suffix)

    def prompt(self, path: str = "", language: str = "", context: tuple[ContextFile, ...] = ()) -> FimPrompt:
        """The window as the parts of a prompt."""
        return FimPrompt(self.prefix, self.suffix, self.middle, path, language, context)


def next_window(previous: Window | None, text: Lines, cursor: LineColumn, limits: WindowLimits) -> Window:
    """The window at `cursor`, a valid position of `text`; it differs from `previous` as little as possible."""
    left = _left(previous, text, cursor, limits)
    before = between(text, left, cursor)
    after, whole = _after(text, cursor, limits)
    suffix = after
    if previous is not None and _still_there(previous, text, cursor):
        suffix, whole = previous.suffix, previous.whole_suffix
    anchor = _anchor(previous, before, limits)
    head = text.line(left[0])[left[1] : left[1] + 64]
    return Window(before[:anchor], before[anchor:], suffix, left, head, text.line_count, whole)


def same_window(
    previous: Window | None, text: Lines, cursor: LineColumn, limits: WindowLimits
) -> Window | None:
    """The window at `cursor` with the prefix and the suffix of `previous`, so that only what was typed since has to be
    read; None if they no longer serve there."""
    if previous is None:
        return None
    window = next_window(previous, text, cursor, limits)
    return window if (window.prefix, window.suffix) == (previous.prefix, previous.suffix) else None


# The left edge


def _left(previous: Window | None, text: Lines, cursor: LineColumn, limits: WindowLimits) -> LineColumn:
    if previous is not None:
        kept = _found_again(previous, text)
        if kept is not None and kept <= cursor and _fits(text, kept, cursor, limits):
            return kept
    return _fresh_left(text, cursor, limits)


def _found_again(previous: Window, text: Lines) -> LineColumn | None:
    """The previous left edge, even if lines were added or removed above it; None if it is gone."""
    line, column = previous.left
    if previous.left == (0, 0):
        return previous.left
    for candidate in (line, line + text.line_count - previous.line_count):
        if 0 <= candidate < text.line_count and text.line(candidate).startswith(previous.head, column):
            return candidate, column
    return None


def _fits(text: Lines, left: LineColumn, cursor: LineColumn, limits: WindowLimits) -> bool:
    lines = cursor[0] - left[0]
    if lines > limits.prefix_lines:
        return False
    chars = distance(text, left, cursor)
    if chars > limits.prefix_chars:
        return False
    enough = lines >= limits.prefix_lines * _KEEP_AT_LEAST or chars >= limits.prefix_chars * _KEEP_AT_LEAST
    return enough or left == (0, 0)


def _fresh_left(text: Lines, cursor: LineColumn, limits: WindowLimits) -> LineColumn:
    budget = int(limits.prefix_chars * _FULL)
    first, chars = cursor[0], cursor[1]
    if chars > budget:
        return cursor[0], _round_up(chars - budget, STEP_COLUMNS, chars)
    lowest = max(0, cursor[0] - limits.prefix_lines)
    while first > lowest and chars + len(text.line(first - 1)) <= budget:
        first -= 1
        chars += len(text.line(first))
    if first > lowest and chars < budget // 2:  # a huge line above: its end is better than nothing
        above = len(text.line(first - 1))
        return first - 1, _round_up(above + chars - budget, STEP_COLUMNS, above)
    return _aligned(text, first, cursor, chars)


def _aligned(text: Lines, first: int, cursor: LineColumn, chars: int) -> LineColumn:
    """The first line at or after `first` with a round number that leaves half of `chars` for the prefix."""
    for step in (STEP_LINES, STEP_LINES // 4):
        line = -(-first // step) * step
        if line <= cursor[0] and 2 * distance(text, (line, 0), cursor) >= chars:
            return line, 0
    return first, 0


def _round_up(column: int, step: int, most: int) -> int:
    return min(-(-column // step) * step, most)


# The suffix


def _after(text: Lines, cursor: LineColumn, limits: WindowLimits) -> tuple[str, bool]:
    """The text right of the cursor up to a round line number, and whether that is all of it."""
    stop = cursor[0] + 1 + limits.suffix_lines
    rounded = stop - stop % STEP_LINES
    if rounded > cursor[0] + 1 + limits.suffix_lines // 2:
        stop = rounded
    after = read(text, cursor, stop, limits.suffix_chars)
    whole = stop >= text.line_count and len(after) < limits.suffix_chars
    return _canonical(after), whole


def _still_there(previous: Window, text: Lines, cursor: LineColumn) -> bool:
    """Whether the frozen suffix is still the text right of the cursor, except for closers just inserted."""
    frozen = previous.suffix
    if not frozen:
        return False
    # A line and a few characters more than the frozen text, to notice that the document has grown.
    stop = cursor[0] + frozen.count("\n") + 2
    actual = read(text, cursor, stop, len(frozen) + 8)
    for form in (actual, *without_leading(actual)):
        bare = without_closers(form)
        if bare == frozen or (bare.startswith(frozen) and not previous.whole_suffix):
            return True
    return False


def _canonical(after: str) -> str:
    after = without_closers(after)
    return after if after.strip() else ""


# The anchor


def _anchor(previous: Window | None, before: str, limits: WindowLimits) -> int:
    """Where the middle begins in `before`: the previous anchor while it is valid, or some lines above the cursor's."""
    if previous is not None and before.startswith(previous.prefix):
        typed = before[len(previous.prefix) :]
        if len(typed) <= limits.middle_chars and typed.count("\n") <= limits.middle_lines:
            return len(previous.prefix)
    line = before.rfind("\n") + 1
    if len(before) - line > limits.middle_chars // 2:
        return len(before) - len(before) % STEP_COLUMNS
    for _ in range(_LINES_ABOVE):
        above = before.rfind("\n", 0, line - 1) + 1 if line else 0
        if not above or len(before) - above > limits.middle_chars // 2:
            break  # a prefix there is
        line = above
    return line
