"""A document as an editor holds it: a string, a cursor, and LSP positions in any encoding. No protocol."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]

_LINE_END = re.compile(r"\r\n|\n|\r")
_CLOSERS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}


class Buffer:
    """An open document. Offsets are code points from its start; `cursor` is one."""

    def __init__(self, uri: str, text: str, language: str, encoding: Encoding = "utf-16") -> None:
        self.uri = uri
        self.language = language
        self.encoding: Encoding = encoding
        self.version = 1
        self.text = text
        self.cursor = len(text)
        self.indent = "    "
        """The indentation that a newline after an opener adds to the line's own."""
        self._auto_closed: list[str] = []
        self._starts: list[int] | None = None

    def replace(self, start: int, end: int, new: str) -> dict[str, Any]:
        """Replace a span, put the cursor after the new text, and return the change in the form that didChange takes."""
        change = {"range": {"start": self.position(start), "end": self.position(end)}, "text": new}
        self.text = self.text[:start] + new + self.text[end:]
        self.cursor = start + len(new)
        self.version += 1
        self._starts = None
        return change

    def copy(self) -> Buffer:
        """An independent buffer in the same state."""
        twin = Buffer(self.uri, self.text, self.language, self.encoding)
        twin.version, twin.cursor, twin.indent = self.version, self.cursor, self.indent
        twin._auto_closed = list(self._auto_closed)
        return twin

    def accept(self, start: int, end: int, new: str) -> dict[str, Any]:
        """Insert a suggestion; auto-inserted closers that it replaces can no longer be typed over."""
        waiting = max(0, len(self._auto_closed) - max(0, end - self.cursor))
        del self._auto_closed[waiting:]
        return self.replace(start, end, new)

    def move(self, offset: int) -> None:
        """Move the cursor as a click does: closers still pending can no longer be typed over."""
        self.cursor = max(0, min(offset, len(self.text)))
        self._auto_closed.clear()

    def key(self, char: str, *, auto_close: bool = True) -> list[dict[str, Any]]:
        """Press a key; returns the changes that it makes. Typing over an auto-inserted closer makes none."""
        if char == "\n":
            return self._newline()
        if (
            self._auto_closed
            and char == self._auto_closed[-1]
            and self.text[self.cursor : self.cursor + 1] == char
        ):
            self._auto_closed.pop()
            self.cursor += 1
            return []
        closer = _CLOSERS.get(char, "") if auto_close and self._may_close(char) else ""
        change = self.replace(self.cursor, self.cursor, char + closer)
        self.cursor -= len(closer)
        if closer:
            self._auto_closed.append(closer)
        return [change]

    def _may_close(self, char: str) -> bool:
        """Whether an editor would close `char`: before spaces and closers only; a quote only if it touches no word."""
        after = self.text[self.cursor : self.cursor + 1]
        before = self.text[max(0, self.cursor - 1) : self.cursor]
        quiet_right = not after or after.isspace() or after in ")]}"
        return quiet_right and not (char in "\"'" and (before.isalnum() or before in "\"'"))

    def _newline(self) -> list[dict[str, Any]]:
        """A line break with the line's indentation, deeper after a colon or opening bracket."""
        self._auto_closed.clear()
        start, end = self.line_span(self.cursor)
        before = self.text[start : self.cursor]
        indent = before[: len(before) - len(before.lstrip(" \t"))]
        deeper = indent + self.indent if before.rstrip().endswith((":", "(", "[", "{")) else indent
        after = self.text[self.cursor : end]
        if deeper != indent and after[:1] in (")", "]", "}"):
            change = self.replace(self.cursor, self.cursor, f"\n{deeper}\n{indent}")
            self.cursor -= len(indent) + 1
            return [change]
        return [self.replace(self.cursor, self.cursor, "\n" + deeper)]

    def line_span(self, offset: int) -> tuple[int, int]:
        """Where the line around `offset` starts, and where its text ends (before the line ending)."""
        line = self._line_of(offset)
        start = self._lines()[line]
        ending = _LINE_END.search(self.text, start)
        return start, ending.start() if ending else len(self.text)

    def position(self, offset: int) -> dict[str, int]:
        """The LSP position of an offset, in this buffer's encoding."""
        line = self._line_of(offset)
        head = self.text[self._lines()[line] : offset]
        return {"line": line, "character": units(head, self.encoding)}

    def offset(self, position: dict[str, int]) -> int:
        """The offset of an LSP position; one past the end of a line means its end."""
        starts = self._lines()
        if position["line"] >= len(starts):
            return len(self.text)
        start, end = self.line_span(starts[position["line"]])
        left = position["character"]
        for offset in range(start, end):
            if left <= 0:
                return offset
            left -= units(self.text[offset], self.encoding)
        return end

    def find(self, needle: str, *, after: bool = False) -> int:
        """The offset of the first `needle`, or of its end. Raises ValueError if there is none."""
        return self.text.index(needle) + (len(needle) if after else 0)

    def _line_of(self, offset: int) -> int:
        return bisect_right(self._lines(), offset) - 1

    def _lines(self) -> list[int]:
        if self._starts is None:
            self._starts = [0, *(match.end() for match in _LINE_END.finditer(self.text))]
        return self._starts


def units(text: str, encoding: Encoding) -> int:
    """The length of `text` in code units of an encoding."""
    if encoding == "utf-32":
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
