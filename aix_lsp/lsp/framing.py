"""Splits a byte stream into LSP message bodies; survives any input. Knows no sockets and no JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,20})[ \t]*$", re.IGNORECASE)
_CHARSET = re.compile(rb"content-type[ \t]*:.*charset[ \t]*=[ \t]*\"?([\w-]+)", re.IGNORECASE)
_HEADER = re.compile(rb"[\w-]+[ \t]*:")

_OURS = re.compile(rb"(content-length[ \t]*:[ \t]*\d{1,20}|content-type[ \t]*:.{0,200})[ \t]*", re.IGNORECASE)

MAX_HEADER_BYTES = 16 * 1024
"""Longer header lines, or header blocks, are garbage."""
_LONGEST_STRICT_LINE = 512
MAX_GARBAGE_BYTES = 64 << 20
"""A stream with this much garbage in a row is given up on."""
MAX_SKIPPED_BYTES = 1 << 30
"""A message above the limit is skipped if it is at most this long; otherwise the stream is given up on."""


@dataclass(frozen=True, slots=True)
class BadFrame:
    """A part of the stream that is not a message. `fatal` means that the stream must be closed."""

    reason: str
    fatal: bool = False


class FrameParser:
    """Takes bytes as they come; returns message bodies, and a BadFrame for each stretch of anything else.

    Header names are matched in any case, with or without spaces, and lines may end in `\\n` alone. After a broken
    message, it looks for the next `Content-Length`, so that one bad message does not cost the connection.

    While `strict` is set, it does not look for the next one: anything but a header of the protocol at a line's start
    is fatal. A web page can make a browser send bytes to any port, with messages in a header's value or in a body.
    """

    def __init__(self, max_body: int) -> None:
        self.max_body = max_body
        self.strict = False
        self._buffer = bytearray()
        self._length: int | None = None
        self._in_body = False
        self._skip = 0
        self._charset_error = ""
        self._header_bytes = 0
        self._garbage = 0
        self._dead = False

    def feed(self, data: bytes) -> Iterator[bytes | BadFrame]:
        """The messages that `data` completes, in order."""
        self._buffer += data
        while not self._dead:
            step = self._skip_some() if self._skip else self._body() if self._in_body else self._header()
            if step is None:
                return
            if not isinstance(step, bool):
                self._dead = isinstance(step, BadFrame) and step.fatal
                yield step

    def _skip_some(self) -> bool | None:
        taken = min(self._skip, len(self._buffer))
        del self._buffer[:taken]
        self._skip -= taken
        return None if self._skip else True

    def _body(self) -> bytes | BadFrame | None:
        assert self._length is not None
        if len(self._buffer) < self._length:
            return None
        body = bytes(memoryview(self._buffer)[: self._length])
        del self._buffer[: self._length]
        charset, self._charset_error = self._charset_error, ""
        self._in_body, self._length, self._garbage = False, None, 0
        if charset:
            return BadFrame(f"charset {charset} is not supported; send utf-8")
        return body

    def _header(self) -> bool | BadFrame | None:
        end = self._buffer.find(b"\n")
        if self.strict and (failure := self._foreign(end)):
            return failure
        if end < 0:
            return self._overlong() if len(self._buffer) > MAX_HEADER_BYTES else None
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        self._header_bytes += end + 1
        if not line:
            return self._end_of_headers()
        if match := _LENGTH.search(line):
            self._length = int(match[1])
            return self._note_garbage(match.start())
        if charset := _CHARSET.match(line):
            name = charset[1].decode("ascii", "replace").lower()
            self._charset_error = "" if name in ("utf-8", "utf8") else name
            return True
        return True if _HEADER.match(line) else self._note_garbage(len(line))

    def _foreign(self, end: int) -> BadFrame | None:
        """The error of a strict reader about the line that ends at `end`, or has not ended yet; None if it is valid."""
        line = bytes(self._buffer[:end]).rstrip(b"\r") if end >= 0 else b""
        if end < 0 and len(self._buffer) > _LONGEST_STRICT_LINE:
            return BadFrame("a header line is too long", fatal=True)
        if (line and not _OURS.fullmatch(line)) or (end >= 0 and not line and self._length is None):
            return BadFrame("the client does not speak LSP", fatal=True)
        if self._length is not None and _LENGTH.match(line):
            return BadFrame("a header is repeated", fatal=True)
        return None

    def _overlong(self) -> bool | BadFrame | None:
        """Drop an overlong line, but keep what may be the beginning of a header."""
        size = len(self._buffer) - 64
        del self._buffer[:size]
        return self._note_garbage(size)

    def _note_garbage(self, size: int) -> bool | BadFrame:
        """Report a stretch of garbage once; give up on a stream that contains nothing else."""
        if not size:
            return True
        first = not self._garbage
        self._garbage += size
        if self._garbage > MAX_GARBAGE_BYTES:
            return BadFrame("no message in a long stretch of the stream", fatal=True)
        return BadFrame("a header is malformed") if first else True

    def _end_of_headers(self) -> bool | BadFrame:
        size, self._header_bytes = self._header_bytes, 0
        if self._length is None:
            self._charset_error = ""
            return True if size <= 2 else self._note_garbage(size)
        if self._length <= self.max_body:
            self._in_body = True
            return True
        length, self._length = self._length, None
        if length > MAX_SKIPPED_BYTES:
            return BadFrame(f"a message of {length} bytes", fatal=True)
        self._skip = length
        return BadFrame(f"a message of {length} bytes is over the limit of {self.max_body}")
