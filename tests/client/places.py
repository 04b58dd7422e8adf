"""Builds request params from texts with a marked cursor, and applies the items of an answer to the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

URI = "file:///w/a.py"
POPUP = "textDocument/completion"
INLINE = "textDocument/inlineCompletion"
STREAM = "aix/inlineCompletion"


def units(string: str, encoding: str) -> int:
    codec, width = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[encoding]
    return len(string.encode(codec)) // width


def at(source: str, encoding: str = "utf-16", uri: str = URI, **more: Any) -> tuple[str, dict[str, Any]]:
    """The text without its "|", and params for a request at that position."""
    before, _, after = source.partition("|")
    lines = before.split("\n")
    position = {"line": len(lines) - 1, "character": units(lines[-1], encoding)}
    params = {"textDocument": {"uri": uri}, "position": position, "context": {"triggerKind": 2}}
    return before + after, params | more


def offset(text: str, position: Mapping[str, int], encoding: str = "utf-16") -> int:
    """The offset of an LSP position in the text. Raises an error if it is not exact."""
    lines = text.split("\n")
    line = lines[position["line"]]
    for column in range(len(line) + 1):
        if units(line[:column], encoding) == position["character"]:
            return sum(len(before) + 1 for before in lines[: position["line"]]) + column
    raise AssertionError(f"{position} is no place in {line!r}")


def applied(
    text: str, item: Mapping[str, Any], encoding: str = "utf-16", defaults: Mapping[str, Any] | None = None
) -> str:
    """The text after a client has accepted an inline or popup item in insert mode."""
    edit = item.get("textEdit", {})
    span = item.get("range") or edit.get("range") or edit.get("insert") or (defaults or {})["editRange"]
    span = span.get("insert", span)
    new = item.get("insertText") or item.get("textEditText") or edit.get("newText")
    start, end = offset(text, span["start"], encoding), offset(text, span["end"], encoding)
    return text[:start] + str(new) + text[end:]
