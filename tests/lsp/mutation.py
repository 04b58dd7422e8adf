"""Generates almost valid messages: every kind that a client sends, with something changed. Seeded."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

URI = "file:///w/fuzz.py"
CELL = "vscode-notebook-cell:/w/n.ipynb#a"
BOOK = {"uri": "file:///w/n.ipynb"}
POSITION = {"line": 1, "character": 2}
RANGE = {"start": {"line": 0, "character": 1}, "end": {"line": 1, "character": 0}}
PLACE = {"textDocument": {"uri": URI}, "position": POSITION}
ITEM = {"uri": URI, "languageId": "python", "version": 1, "text": "x = 1\ny = "}

CORPUS: list[tuple[str, Any, bool]] = [
    ("initialize", {"processId": 1, "rootUri": "file:///w", "capabilities": {"window": {}}}, True),
    ("initialized", {}, False),
    ("textDocument/didOpen", {"textDocument": ITEM}, False),
    (
        "textDocument/didChange",
        {
            "textDocument": {"uri": URI, "version": 2},
            "contentChanges": [{"range": RANGE, "text": "a\r\nb"}, {"text": "x = 2\ny = "}],
        },
        False,
    ),
    ("textDocument/didSave", {"textDocument": {"uri": URI}}, False),
    ("textDocument/didClose", {"textDocument": {"uri": URI}}, False),
    ("textDocument/completion", PLACE | {"context": {"triggerKind": 1}, "partialResultToken": "p"}, True),
    ("completionItem/resolve", {"label": "x", "data": {"id": "1.0"}}, True),
    (
        "textDocument/inlineCompletion",
        PLACE | {"context": {"triggerKind": 2, "selectedCompletionInfo": {"range": RANGE, "text": "x"}}},
        True,
    ),
    ("aix/inlineCompletion", PLACE | {"context": {"triggerKind": 1}, "partialResultToken": 5}, True),
    ("workspace/executeCommand", {"command": "aix.statistics", "arguments": []}, True),
    ("workspace/executeCommand", {"command": "aix.disable", "arguments": [{"language": "go"}]}, True),
    ("workspace/executeCommand", {"command": "aix.accept", "arguments": ["1.0", 3]}, True),
    ("workspace/executeCommand", {"command": "aix.nextCandidate", "arguments": [PLACE]}, True),
    ("workspace/didChangeConfiguration", {"settings": {"aix": {"maxTokens": 7}}}, False),
    ("workspace/didChangeWatchedFiles", {"changes": [{"uri": URI, "type": 2}]}, False),
    (
        "workspace/didChangeWorkspaceFolders",
        {"event": {"added": [{"uri": "file:///v", "name": "v"}], "removed": []}},
        False,
    ),
    ("window/workDoneProgress/cancel", {"token": "aix-loading-1"}, False),
    ("$/setTrace", {"value": "verbose"}, False),
    ("$/cancelRequest", {"id": 3}, False),
    ("aix/didShow", {"id": "1.0"}, False),
    ("aix/didPartiallyAccept", {"item": {"data": {"id": "1.0"}}, "acceptedLength": 2}, False),
    (
        "notebookDocument/didOpen",
        {
            "notebookDocument": BOOK
            | {"notebookType": "j", "version": 1, "cells": [{"kind": 2, "document": CELL}]},
            "cellTextDocuments": [ITEM | {"uri": CELL}],
        },
        False,
    ),
    (
        "notebookDocument/didChange",
        {
            "notebookDocument": BOOK | {"version": 2},
            "change": {
                "cells": {
                    "structure": {"array": {"start": 0, "deleteCount": 1, "cells": []}, "didClose": []},
                    "textContent": [
                        {"document": {"uri": CELL, "version": 2}, "changes": [{"text": "z"}]},
                    ],
                }
            },
        },
        False,
    ),
    ("notebookDocument/didClose", {"notebookDocument": BOOK, "cellTextDocuments": [{"uri": CELL}]}, False),
    ("no/such", {"x": 1}, True),
]
JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e308, 2**31, 2**64, -(2**63)),
    *("", "x", "\0", "\ud800", "😀" * 50, "x" * 5000, "file:///", "file://[", "\r\n", "2.0"),
    *([], {}, [[]], [None], [{}] * 20, {"": None}, {"uri": None}, {"__proto__": {}}, {"id": {"id": 1}}),
]


class Mutator:
    """Generates messages from a seed."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._last_id = 0

    def message(self) -> tuple[bytes, bool]:
        """A frame, and whether its framing is correct, so that the expected answers are known."""
        draw = self._draw.random()
        body = self._body()
        if draw < 0.85:
            return b"Content-Length: %d\r\n\r\n%b" % (len(body), body), True
        return self._broken(body), False

    def _body(self) -> bytes:
        method, params, is_request = self._draw.choice(CORPUS)
        message: Any = {"jsonrpc": "2.0", "method": method, "params": copy.deepcopy(params)}
        if is_request:
            self._last_id += 1
            message["id"] = self._last_id if self._draw.random() < 0.8 else f"s{self._last_id}"
        for _ in range(self._draw.choice([0, 1, 1, 1, 2, 5])):
            message = self._changed(message)
        if self._draw.random() < 0.03:
            message = [message] * self._draw.randrange(4)
        body = json.dumps(message).encode()
        if self._draw.random() < 0.08:
            data = bytearray(body)
            for _ in range(self._draw.choice([1, 3])):
                data[self._draw.randrange(len(data))] = self._draw.randrange(256)
            body = bytes(data)
        return body

    def _changed(self, value: Any) -> Any:
        """The value with one random place in it changed."""
        if isinstance(value, dict) and value and self._draw.random() < 0.85:
            key = self._draw.choice(sorted(value))
            way = self._draw.random()
            if way < 0.15:
                del value[key]
            elif way < 0.2:
                value[key + "x"] = value.pop(key)
            else:
                value[key] = self._changed(value[key])
            return value
        if isinstance(value, list) and value and self._draw.random() < 0.8:
            place = self._draw.randrange(len(value))
            value[place] = self._changed(value[place])
            return value
        return copy.deepcopy(self._draw.choice(JUNK))

    def _broken(self, body: bytes) -> bytes:
        """A frame whose header, length or body is wrong."""
        off = self._draw.choice([-200, -10, -1, 1, 10, 200])
        return self._draw.choice(
            [
                b"content-length:%d\n\n%b" % (len(body), body),
                b"Content-Length: %d\r\n\r\n%b" % (max(0, len(body) + off), body),
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body[: len(body) // 2]),
                b"Content-Length: -1\r\n\r\n%b" % body,
                b"Content-Length: 0\r\n\r\n",
                b"Content-Length: 2000000\r\n\r\n" + b"x" * 2_000_000 if off == 200 else b"\r\n\r\n",
                b"Content-Type: text/plain; charset=ebcdic\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body),
                body,
                b"\x00\xff" * self._draw.randrange(400) + b"\r\n",
                b"X: y\r\n" * self._draw.randrange(30),
            ]
        )
