"""Parses server-sent events: bytes in, the data of each event out. Knows nothing about the data."""

from __future__ import annotations

import codecs
import re

_LINE_END = re.compile(rb"\r\n|\n|\r")
_LARGEST_EVENT = 4 << 20


class SseError(ValueError):
    """The data received is not a stream of events."""


class SseParser:
    """Parses a stream in chunks of any size, split anywhere, even inside a character.

    Follows the WHATWG specification (HTML, section 9.2.6): three line endings, comments, data over several lines. Names
    and ids of events are ignored, since completions have none.
    """

    def __init__(self) -> None:
        self._held = b""
        """The end of the last chunk where the next decides what it means."""
        self._pending = bytearray()
        """The line that has begun. It is not searched again with each chunk, which would take time in squares."""
        self._data: list[bytes] = []
        self._size = 0
        self._begun = False

    def feed(self, chunk: bytes) -> list[str]:
        """The data of the events that `chunk` completes. Raises SseError for invalid UTF-8 or an event too large."""
        lines = self._lines(chunk)
        events = [event for line in lines if (event := self._line(line)) is not None]
        if self._size + len(self._pending) > _LARGEST_EVENT:
            raise SseError(f"an event of more than {_LARGEST_EVENT >> 20} MiB")
        return events

    def _lines(self, chunk: bytes) -> list[bytes]:
        chunk, self._held = self._held + chunk, b""
        if not self._begun:
            if len(chunk) < len(codecs.BOM_UTF8):
                self._held = chunk
                return []
            chunk, self._begun = chunk.removeprefix(codecs.BOM_UTF8), True
        if chunk.endswith(b"\r"):  # it may be half of a \r\n
            chunk, self._held = chunk[:-1], b"\r"
        first, *more = _LINE_END.split(chunk)
        self._pending += first
        if not more:
            return []
        lines = [bytes(self._pending), *more[:-1]]
        self._pending = bytearray(more[-1])
        return lines

    def _line(self, line: bytes) -> str | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value) + 1
        return None

    def _dispatch(self) -> str | None:
        if not self._data:
            return None
        joined = b"\n".join(self._data)
        self._data.clear()
        self._size = 0
        try:
            return joined.decode("utf-8")
        except UnicodeDecodeError as error:
            raise SseError("an event that is not UTF-8") from error
