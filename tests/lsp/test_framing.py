"""Any bytes, split in any way: whole messages get through, and the rest is reported once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.lsp.framing import MAX_GARBAGE_BYTES, BadFrame, FrameParser

LIMIT = 1000


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def parse(data: bytes, piece: int = 0) -> list[bytes | BadFrame]:
    parser = FrameParser(LIMIT)
    pieces = [data[i : i + piece] for i in range(0, len(data), piece)] if piece else [data]
    return [frame for each in pieces for frame in parser.feed(each)]


def bodies(data: bytes, piece: int = 0) -> list[bytes]:
    return [frame for frame in parse(data, piece) if isinstance(frame, bytes)]


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: 2\r\n\r\n",
        b"content-length: 2\r\n\r\n",
        b"CONTENT-LENGTH:2\r\n\r\n",
        b"Content-Length : 2 \r\n\r\n",
        b"Content-Length: 2\n\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n",
        b"Content-Length: 2\r\nContent-Type: application/vscode-jsonrpc; charset=utf8\r\n\r\n",
        b"X-Other: 1\r\nContent-Length: 2\r\n\r\n",
        b"\r\n\r\nContent-Length: 2\r\n\r\n",
        b"Content-Length: 7\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_headers_as_clients_write_them(header: bytes) -> None:
    for piece in (0, 1, 3):
        assert parse(header + b"{}" + framed(b"next"), piece) == [b"{}", b"next"]


@given(st.lists(st.binary(max_size=80), max_size=6), st.integers(1, 50))
def test_bodies_come_whole_and_in_order(sent: list[bytes], piece: int) -> None:
    assert parse(b"".join(map(framed, sent)), piece) == sent


@given(st.binary(max_size=300), st.integers(1, 50))
def test_pieces_make_no_difference(data: bytes, piece: int) -> None:
    assert parse(data, piece) == parse(data)


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n",
        b"\xff\xfe\x00\n",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: many\r\n\r\n",
        b"X: 1\r\n\r\n",
        b'{"jsonrpc": "2.0"}',
        b"x" * 100_000 + b"\n",
        b"Content-Length: 2\r\nContent-Type: text/plain; charset=utf-16\r\n\r\nhi",
    ],
)
def test_garbage_is_reported_once_and_the_next_message_read(garbage: bytes) -> None:
    for piece in (0, 7):
        frames = parse(garbage + framed(b"next"), piece)
        assert frames[-1] == b"next"
        assert [type(frame) for frame in frames] == [BadFrame, bytes]


def test_a_wrong_length_costs_only_its_own_message() -> None:
    short = b"Content-Length: 4\r\n\r\n" + b'{"id": 12345}'
    assert bodies(short + framed(b"next"))[-1] == b"next"


def test_a_message_over_the_limit_is_skipped() -> None:
    big = framed(b"x" * (LIMIT + 1))
    for piece in (0, 100):
        frames = parse(big + framed(b"next"), piece)
        assert frames[-1] == b"next" and len(frames) == 2
        assert isinstance(frames[0], BadFrame) and str(LIMIT) in frames[0].reason


@pytest.mark.parametrize(
    "data", [b"Content-Length: 99999999999999\r\n\r\n", b"x" * (MAX_GARBAGE_BYTES + (1 << 20))]
)
def test_a_hopeless_stream_is_given_up(data: bytes) -> None:
    frames = parse(data + framed(b"next"), 1 << 20)
    assert isinstance(frames[-1], BadFrame) and frames[-1].fatal
    assert not bodies(data + framed(b"next"), 1 << 20)


def test_an_endless_header_is_not_kept() -> None:
    parser = FrameParser(LIMIT)
    for _ in range(50):
        list(parser.feed(b"y" * 10_000))
    assert len(parser._buffer) < 30_000
