"""Bodies to messages, by the letter of JSON-RPC 2.0."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.lsp import jsonrpc
from aix_lsp.lsp.jsonrpc import Invalid, Notification, Request, Response

V = {"jsonrpc": "2.0"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (V | {"id": 1, "method": "m"}, Request(1, "m", None)),
        (V | {"id": "1", "method": "m", "params": {}}, Request("1", "m", {})),
        (V | {"id": 0, "method": "m", "params": []}, Request(0, "m", [])),
        (V | {"id": 7.0, "method": "m"}, Request(7, "m", None)),
        (V | {"method": "m", "params": None}, Notification("m", None)),
        (V | {"method": "m", "params": {"jsonrpc": 1}}, Notification("m", {"jsonrpc": 1})),
        (V | {"id": "a", "result": None}, Response("a")),
        (V | {"id": "a", "error": {"code": 1}}, Response("a", None, {"code": 1})),
        (V | {"id": None, "error": {"code": 1}}, Response(None, None, {"code": 1})),
    ],
)
def test_messages(value: Any, message: jsonrpc.Message) -> None:
    assert jsonrpc.read(json.dumps(value).encode()) == [message]


@pytest.mark.parametrize(
    ("value", "code", "id"),
    [
        ({"id": 1, "method": "m"}, jsonrpc.INVALID_REQUEST, 1),
        ({"jsonrpc": "1.0", "id": 1, "method": "m"}, jsonrpc.INVALID_REQUEST, 1),
        ({"jsonrpc": 2.0, "id": 1, "method": "m"}, jsonrpc.INVALID_REQUEST, 1),
        (V | {"id": None, "method": "m"}, jsonrpc.INVALID_REQUEST, None),
        (V | {"id": 1.5, "method": "m"}, jsonrpc.INVALID_REQUEST, None),
        (V | {"id": True, "method": "m"}, jsonrpc.INVALID_REQUEST, None),
        (V | {"id": {}, "method": "m"}, jsonrpc.INVALID_REQUEST, None),
        (V | {"id": 1, "method": 5}, jsonrpc.INVALID_REQUEST, 1),
        (V | {"id": 1, "method": "m", "params": "text"}, jsonrpc.INVALID_REQUEST, 1),
        (V | {"id": 1}, jsonrpc.INVALID_REQUEST, None),
        ({}, jsonrpc.INVALID_REQUEST, None),
        ("text", jsonrpc.INVALID_REQUEST, None),
        (None, jsonrpc.INVALID_REQUEST, None),
        ([], jsonrpc.INVALID_REQUEST, None),
    ],
)
def test_invalid_messages(value: Any, code: int, id: jsonrpc.Id | None) -> None:
    [message] = jsonrpc.read(json.dumps(value).encode())
    assert isinstance(message, Invalid)
    assert (message.code, message.id) == (code, id)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"jsonrpc": "2.0", "id": NaN, "method": "m"}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_not_json(body: bytes) -> None:
    [message] = jsonrpc.read(body)
    assert isinstance(message, Invalid)
    assert (message.code, message.id) == (jsonrpc.PARSE_ERROR, None)


def test_each_request_of_a_batch_is_refused_by_its_id() -> None:
    batch = [V | {"id": 1, "method": "m"}, V | {"method": "n"}, V | {"id": "b", "method": "m"}, 3]
    refused = jsonrpc.read(json.dumps(batch).encode())
    assert [(m.code, m.id) for m in refused if isinstance(m, Invalid)] == [
        (jsonrpc.INVALID_REQUEST, 1),
        (jsonrpc.INVALID_REQUEST, "b"),
    ]


@given(st.binary(max_size=200))
def test_reading_never_raises(body: bytes) -> None:
    assert jsonrpc.read(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error", "x"]), inner, max_size=6
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_classified(value: Any) -> None:
    assert jsonrpc.read(json.dumps(value).encode())
