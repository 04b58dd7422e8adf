"""Types a given text into a buffer as a person at an editor does: the editor indents and closes brackets."""

from __future__ import annotations

import re
from typing import Any

from tests.client.buffer import Buffer

_INDENT = re.compile(r"[ \t]*")
_CLOSING_LINE = re.compile(r"\n[ \t]*[)\]}]")


class Typist:
    """A person who types a given text. `remaining` is what is still to be typed at the cursor."""

    def __init__(self, buffer: Buffer, goal: str, *, auto_close: bool = True) -> None:
        self.buffer = buffer
        self.remaining = goal
        self.auto_close = auto_close

    def step(self) -> tuple[str, list[dict[str, Any]]]:
        """Press the next key; returns it, and the changes that it makes (none if it moves over a closer)."""
        char = self.remaining[0]
        if char != "\n":
            self.remaining = self.remaining[1:]
            return char, self.buffer.key(char, auto_close=self.auto_close)
        closing = _CLOSING_LINE.match(self.remaining)
        if closing and self.buffer.text.startswith(closing[0], self.buffer.cursor):
            self.remaining = self.remaining[closing.end() :]
            self.buffer.move(self.buffer.cursor + closing.end())
            return "down", []
        changes = self.buffer.key("\n")
        return "enter", changes + self._mend_indentation()

    def skip(self, count: int) -> None:
        """Note that the next `count` characters were inserted by other means, such as an accepted suggestion."""
        self.remaining = self.remaining[count:]

    def _mend_indentation(self) -> list[dict[str, Any]]:
        """If the editor's indentation is not the text's, press backspace or space until it is."""
        wanted = _INDENT.match(self.remaining, 1)
        assert wanted is not None
        start, _ = self.buffer.line_span(self.buffer.cursor)
        self.remaining = self.remaining[wanted.end() :]
        if self.buffer.text[start : self.buffer.cursor] == wanted[0]:
            return []
        return [self.buffer.replace(start, self.buffer.cursor, wanted[0])]
