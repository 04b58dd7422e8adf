"""What a file defines: names, and the lines that tell how each is used. Knows trees; no index, no files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aix_lsp.completion.context.index.grammars import query

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

SIGNATURE_LINES = 6
SHAPE_LINES = 16
"""Lines told of a type whose body says how it is used, such as a struct's fields."""
_MOST = 400
"""Definitions of one file; more are generated."""


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
_C = (
    "(function_definition declarator: (_) @name) @definition"
    "(declaration declarator: (function_declarator) @name) @definition"
    "(struct_specifier name: (_) @name body: (_)) @definition"
    "(enum_specifier name: (_) @name body: (_)) @definition"
    "(type_definition declarator: (type_identifier) @name) @definition"
    "(preproc_def name: (_) @name) @definition (preproc_function_def name: (_) @name) @definition"
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
    """The definitions of a file in order; empty for a language that is not known."""
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
    """With the innermost class around each; nodes come by start, outer ones first."""
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
    if not column and end > first:  # the line ending is the node's too
        end -= 1
    if node.type in _SHAPES:
        return min(end, first + SHAPE_LINES - 1)
    body = node.child_by_field_name("body")
    if body is not None:
        row, column = body.start_point
        # Python's body begins on a line of its own, a brace mostly on the signature's.
        before = body.prev_sibling
        end = before.end_point[0] if before is not None and before.end_point[0] < row else row
        end = max(end, first) if column or end < row else max(row - 1, first)
    return min(end, first + SIGNATURE_LINES - 1)


def _name(node: Node) -> str:
    """The name in a node; C's lies inside its declarators."""
    while (inner := node.child_by_field_name("declarator") or node.child_by_field_name("name")) is not None:
        node = inner
    text = node.text.decode("utf-8", "replace") if node.text else ""
    return text if len(text) <= 80 and "\n" not in text else ""
