"""Cuts a file into chunks of lines that read well by themselves. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Tree

LINES = 24
"""Of a chunk at most."""
_FEWEST = 8
"""A chunk that ends at an outer border has at least as many, else it goes on to an inner one."""

Chunk = tuple[int, int]
"""First line and the one after the last, zero-based."""


def chunks(lines: Sequence[str], tree: Tree | None) -> list[Chunk]:
    """The chunks of a file, in order and without gaps, but for those with nothing in them."""
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
    """Lines at which a node begins: of the file, and of what stands in those."""
    outer, inner = [], []
    for node in tree.root_node.named_children:
        if node.type == "comment":
            continue
        # A comment right above belongs to what it is about.
        before = node.prev_named_sibling
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
    """Lines behind a blank one: those that are not indented, and all of them."""
    behind = [at for at in range(1, len(lines)) if lines[at].strip() and not lines[at - 1].strip()]
    return [at for at in behind if not lines[at][0].isspace()], behind
