"""What is wrong with a suggestion's syntax where it would stand. Pure; knows trees, not what candidates are."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from aix_lsp.completion.context.index.grammars import parse, query
from aix_lsp.completion.cursor import CursorContext

if TYPE_CHECKING:
    from tree_sitter import Tree

_AS = "(as_pattern) @as"
_TAKE_AS = {
    "with_item",
    "except_clause",
    "except_group_clause",
    "case_pattern",
    "parenthesized_expression",
    "tuple",
}
"""Python's grammar takes `a as b` for any expression. Only below these is it right: `with (a as b, c as d)` too."""
_BEYOND = 2
"""Bytes behind a text that an error in it may reach."""


def errors(text: str, replaced: int, cursor: CursorContext) -> int:
    """Syntax errors around a scene's cursor with `text` in place of `replaced` characters right of it.

    Says something only beside the number for another text, since what is seen begins and ends anywhere. 0 for
    languages without a grammar.
    """
    return len(_errors(cursor.before + text + cursor.after[replaced:], cursor.language))


def errors_around(cursor: CursorContext) -> int:
    """Syntax errors around a scene's cursor without its line."""
    above = cursor.before[: cursor.before.rfind("\n") + 1]
    return len(_errors(above + cursor.after.partition("\n")[2], cursor.language))


def adds_error(text: str, replaced: int, cursor: CursorContext, ends_line: bool) -> bool:
    """Whether there are more errors with `text` than without, and one lies in it or left of it on its line.

    An error that begins or ends farther off says that what is around the cursor is unfinished. `ends_line` says that
    the cursor's line, as yet unfinished itself, should be right with the text: it is compared with no such line.
    """
    line = cursor.before.rfind("\n") + 1
    found = _errors(cursor.before + text + cursor.after[replaced:], cursor.language)
    most = errors("", 0, cursor)
    if ends_line:
        most = min(most, errors_around(cursor))
    if len(found) <= most:
        return False
    first, last = _size(cursor.before[:line]), _size(cursor.before + text)
    return any(first <= start <= last and end <= last + _BEYOND for start, end in found)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


@lru_cache(maxsize=32)
def _errors(source: str, language: str) -> tuple[tuple[int, int], ...]:
    """Where each error begins and ends, in bytes."""
    tree = parse(source.encode("utf-8", "replace"), language)
    if tree is None:
        return ()
    found = _misplaced(tree) if language == "python" else []
    position = tree.walk()
    while True:
        node = position.node
        assert node is not None
        if node.is_error or node.is_missing:
            found.append((node.start_byte, node.end_byte))
        if node.has_error and position.goto_first_child():
            continue
        while not position.goto_next_sibling():
            if not position.goto_parent():
                return tuple(found)


def _misplaced(tree: Tree) -> list[tuple[int, int]]:
    """Where an `as` and what it names stand in Python, in bytes, that no statement takes."""
    from tree_sitter import QueryCursor

    pattern = query("python", _AS)
    assert pattern is not None
    nodes = QueryCursor(pattern).captures(tree.root_node).get("as", [])
    return [
        (node.start_byte, node.end_byte)
        for node in nodes
        if node.parent is not None and not node.parent.is_error and node.parent.type not in _TAKE_AS
    ]
