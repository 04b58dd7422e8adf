"""Splits a file into what the index stores: chunks of lines with their words, and the names it defines."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from aix_lsp.grammars import query

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

LINES = 24
"""The most lines of a chunk."""
_FEWEST = 8
"""A chunk that ends at an outer boundary has at least this many; otherwise it extends to an inner one."""

Chunk = tuple[int, int]
"""First line and the one after the last, zero-based."""

SIGNATURE_LINES = 6
SHAPE_LINES = 16
"""The most lines shown of a type whose body says how to use it, such as a struct's fields."""
_MOST = 400
"""Definitions in one file; a file with more is generated."""
_C = (
    "(function_definition declarator: (_) @name) @definition"
    "(declaration declarator: (function_declarator) @name) @definition"
    "(struct_specifier name: (_) @name body: (_)) @definition"
    "(enum_specifier name: (_) @name body: (_)) @definition"
    "(type_definition declarator: (type_identifier) @name) @definition"
    "(preproc_def name: (_) @name) @definition (preproc_function_def name: (_) @name) @definition"
)
_IDENTIFIER = re.compile(r"[^\W\d]\w{1,63}")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SHORTEST_PART = 4


def chunks(lines: Sequence[str], tree: Tree | None) -> list[Chunk]:
    """The chunks of a file, in order and without gaps, except for empty ones."""
    outer, inner = _borders_of(tree) if tree is not None else _guessed(lines)
    found = []
    start = 0
    while start < len(lines):
        end = _end(start, len(lines), outer, inner)
        if any(line.strip() for line in lines[start:end]):
            found.append((start, end))
        start = end
    return found


def _end(start: int, stop: int, outer: list[int], inner: list[int]) -> int:
    if stop - start <= LINES:
        return stop
    for borders, fewest in ((outer, _FEWEST), (inner, _FEWEST), (outer, 1), (inner, 1)):
        at = bisect_right(borders, start + LINES) - 1
        if at >= 0 and borders[at] >= start + fewest:
            return borders[at]
    return start + LINES


def _borders_of(tree: Tree) -> tuple[list[int], list[int]]:
    """The lines at which the file's top-level nodes begin, and those at which the nodes inside them do."""
    outer, inner = [], []
    before, latest = None, None
    for node in tree.root_node.named_children:
        # Not node.prev_named_sibling, which goes through all siblings: minutes for a file crafted for that.
        before, latest = latest, node
        if node.type == "comment":
            continue
        # A comment directly above a node belongs to it.
        above = (
            before is not None and before.type == "comment" and before.end_point[0] == node.start_point[0] - 1
        )
        outer.append(before.start_point[0] if above and before is not None else node.start_point[0])
        if node.end_point[0] - node.start_point[0] > LINES:
            body = node.child_by_field_name("body") or node
            inner += [child.start_point[0] for child in body.named_children]
            for child in body.named_children:
                if child.end_point[0] - child.start_point[0] > LINES:
                    deeper = child.child_by_field_name("body") or child
                    inner += [line.start_point[0] for line in deeper.named_children]
    return sorted(set(outer)), sorted(set(inner))


def _guessed(lines: Sequence[str]) -> tuple[list[int], list[int]]:
    """The lines that follow a blank one: the unindented ones, and all of them."""
    behind = [at for at in range(1, len(lines)) if lines[at].strip() and not lines[at - 1].strip()]
    return [at for at in behind if not lines[at][0].isspace()], behind


@dataclass(frozen=True, slots=True)
class Definition:
    """A name and its lines (zero-based, both inclusive), without the body; `owner` is the class around it."""

    name: str
    first: int
    last: int
    owner: str = ""


def _kinds(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _named(kinds: str, field: str = "_") -> str:
    return "".join(f"({kind} name: ({field}) @name) @definition " for kind in kinds.split())


_SCRIPT = (
    _named("function_declaration generator_function_declaration class_declaration method_definition")
    + "(program (lexical_declaration (variable_declarator name: (identifier) @name) @definition))"
    + "(export_statement (lexical_declaration (variable_declarator name: (identifier) @name) @definition))"
)
_TYPED_SCRIPT = _SCRIPT + _named(
    "interface_declaration type_alias_declaration enum_declaration abstract_class_declaration "
    "function_signature method_signature abstract_method_signature"
)
_PATTERNS = {
    "python": _named("function_definition class_definition")
    + "(module (expression_statement (assignment left: (identifier) @name) @definition))"
    + "(class_definition body: (block (expression_statement"
    + " (assignment left: (identifier) @name type: (_)) @definition)))",
    "javascript": _SCRIPT,
    "javascriptreact": _SCRIPT,
    "typescript": _TYPED_SCRIPT,
    "typescriptreact": _TYPED_SCRIPT,
    "go": _named("function_declaration method_declaration type_spec"),
    "rust": _named(
        "function_item function_signature_item struct_item enum_item trait_item type_item const_item "
        "macro_definition"
    )
    + "(impl_item type: (_) @name) @definition",
    "java": _named(
        "class_declaration interface_declaration enum_declaration record_declaration method_declaration "
        "constructor_declaration"
    ),
    "c": _C,
    "cpp": _C
    + "(class_specifier name: (_) @name body: (_)) @definition"
    + "(field_declaration declarator: (function_declarator) @name) @definition",
    "csharp": _named(
        "class_declaration interface_declaration struct_declaration enum_declaration record_declaration "
        "method_declaration property_declaration constructor_declaration"
    ),
    "ruby": _named("method singleton_method class module"),
    "php": _named(
        "function_definition class_declaration interface_declaration trait_declaration method_declaration"
    ),
}
_SHAPES = _kinds(
    "type_spec struct_item enum_item struct_specifier enum_specifier interface_declaration "
    "type_alias_declaration enum_declaration record_declaration type_definition"
)
_OWNERS = _kinds(
    "class_definition class_declaration abstract_class_declaration class_specifier struct_specifier "
    "interface_declaration trait_item impl_item struct_declaration record_declaration enum_declaration "
    "class module trait_declaration"
)


def definitions(tree: Tree, language: str) -> list[Definition]:
    """The definitions of a file in order; empty for an unknown language."""
    pattern = query(language, _PATTERNS[language]) if language in _PATTERNS else None
    if pattern is None:
        return []
    from tree_sitter import QueryCursor

    found: dict[tuple[int, int], tuple[Node, str]] = {}
    for _, captures in QueryCursor(pattern).matches(tree.root_node):
        node, name = captures["definition"][0], _name(captures["name"][0])
        if name:
            found[(node.start_byte, -node.end_byte)] = (node, name)
    nodes = [found[place] for place in sorted(found)][:_MOST]
    return _owned(nodes)


def _owned(nodes: list[tuple[Node, str]]) -> list[Definition]:
    """The definitions with the innermost class around each; `nodes` are sorted by start, outer ones first."""
    owners: list[tuple[int, str]] = []
    result = []
    for node, name in nodes:
        while owners and owners[-1][0] <= node.start_byte:
            owners.pop()
        last = _last_line(node)
        result.append(Definition(name, node.start_point[0], last, owners[-1][1] if owners else ""))
        if node.type in _OWNERS:
            owners.append((node.end_byte, name))
    return result


def _last_line(node: Node) -> int:
    first, (end, column) = node.start_point[0], node.end_point
    if not column and end > first:  # the node includes its line ending
        end -= 1
    if node.type in _SHAPES:
        return min(end, first + SHAPE_LINES - 1)
    body = node.child_by_field_name("body")
    if body is not None:
        row, column = body.start_point
        # A Python body begins on a line of its own, a brace usually on the signature's line.
        before = body.prev_sibling
        end = before.end_point[0] if before is not None and before.end_point[0] < row else row
        end = max(end, first) if column or end < row else max(row - 1, first)
    return min(end, first + SIGNATURE_LINES - 1)


def _name(node: Node) -> str:
    """The name in a node; in C, it is inside the declarators."""
    while (inner := node.child_by_field_name("declarator") or node.child_by_field_name("name")) is not None:
        node = inner
    text = node.text.decode("utf-8", "replace") if node.text else ""
    return text if len(text) <= 80 and "\n" not in text else ""


def identifiers(text: str) -> Iterator[str]:
    """The identifiers of a text, in order, with repetitions."""
    return (match[0] for match in _IDENTIFIER.finditer(text))


def words(text: str) -> dict[str, None]:
    """The words of a text in lower case, each once, in order: identifiers, then their parts."""
    found: dict[str, None] = {}
    for identifier in dict.fromkeys(identifiers(text)):
        if len(identifier) > 2:
            found[identifier.lower()] = None
        parts = _PARTS.findall(identifier)
        if len(parts) > 1:
            found |= {part.lower(): None for part in parts if len(part) >= _SHORTEST_PART}
    return found


class Stamp(NamedTuple):
    """Shows whether a file has changed: modification time in nanoseconds, and size in bytes."""

    changed: int
    size: int


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What the index stores of a file; `chunks` are (first line, line after the last, words)."""

    path: str
    """Relative to the workspace folder, with "/"."""
    language: str
    stamp: Stamp
    chunks: Sequence[tuple[int, int, Iterable[str]]]
    definitions: Sequence[Definition]


class Location(NamedTuple):
    """Lines of a file as it was at `stamp`; `end` is the line after the last."""

    path: str
    language: str
    stamp: Stamp
    first: int
    end: int
