"""Server-sent events: every line ending, every way to split them, and input that is not a stream of events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.backends.sse import SseError, SseParser

STREAMS = [
    (b"data: a\n\ndata: b\n\n", ["a", "b"]),
    (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
    (b"data: a\r\rdata: b\r\r.", ["a", "b"]),
    (b"data:a\n\n", ["a"]),
    (b"data:  a\n\n", [" a"]),
    (b"data: a\ndata: b\n\n", ["a\nb"]),
    (b"data\n\n", [""]),
    (b": comment\n\nevent: x\nid: 3\nretry: 5\ndata: a\n\n", ["a"]),
    (b"event: x\n\n", []),
    (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
    ("data: ☺é\n\n".encode(), ["☺é"]),
    ("data: a\u2028b\x0c\n\n".encode(), ["a\u2028b\x0c"]),
    (b"data: unfinished", []),
    (b"\n\n\n", []),
    (b"", []),
]


@pytest.mark.parametrize(("stream", "events"), STREAMS)
def test_whole(stream: bytes, events: list[str]) -> None:
    assert SseParser().feed(stream) == events


@pytest.mark.parametrize(("stream", "events"), STREAMS)
def test_byte_by_byte(stream: bytes, events: list[str]) -> None:
    parser = SseParser()
    assert [event for byte in stream for event in parser.feed(bytes([byte]))] == events


_TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=6)


@given(st.lists(_TEXT), st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_any_cut_gives_the_same(texts: list[str], end: str, data: st.DataObject) -> None:
    stream = "".join(f"data: {text}{end}{end}" for text in texts).encode() + b":"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parser, found = SseParser(), []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parser.feed(stream[start:stop])
    assert found == texts


def test_not_utf8() -> None:
    with pytest.raises(SseError, match="UTF-8"):
        SseParser().feed(b"data: \xff\n\n")


@pytest.mark.parametrize("chunk", [b"x" * (1 << 20), b"data: " + b"x" * (1 << 20) + b"\n"])
def test_endless_events_are_refused(chunk: bytes) -> None:
    parser = SseParser()
    with pytest.raises(SseError, match="MiB"):
        for _ in range(20):
            parser.feed(chunk)
