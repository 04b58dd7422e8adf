"""Whether a suggestion parses where it would stand. Pure; knows trees, not what candidates are."""

from __future__ import annotations

from functools import lru_cache

from aix_lsp.completion.context.index.grammars import parse
from aix_lsp.completion.scene import Scene


def errors(text: str, replaced: int, scene: Scene) -> int:
    """Syntax errors around a scene's cursor with `text` in place of `replaced` characters right of it.

    Says something only beside the number for another text, since what is seen begins and ends anywhere. 0 for
    languages without a grammar.
    """
    return _errors(scene.before + text + scene.after[replaced:], scene.language)


@lru_cache(maxsize=16)
def _errors(source: str, language: str) -> int:
    tree = parse(source.encode("utf-8", "replace"), language)
    if tree is None:
        return 0
    count, cursor = 0, tree.walk()
    while True:
        node = cursor.node
        assert node is not None
        count += node.is_error or node.is_missing
        if node.has_error and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return count
