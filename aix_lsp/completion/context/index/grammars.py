"""Tree-sitter's grammars by LSP language id, each imported when a file of its language is first parsed."""

from __future__ import annotations

import importlib
import logging
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language, Query, Tree

log = logging.getLogger(__name__)

_FUNCTIONS = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "javascriptreact": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "typescriptreact": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "php": ("tree_sitter_php", "language_php"),
}


@cache
def grammar(language: str) -> Language | None:
    """The grammar of a language; None where there is none, or it cannot be loaded here."""
    if language not in _FUNCTIONS:
        return None
    module, function = _FUNCTIONS[language]
    try:
        from tree_sitter import Language

        return Language(getattr(importlib.import_module(module), function)())
    except (ImportError, OSError, ValueError) as error:
        log.warning("%s is read line by line: %s", language, error)
        return None


def parse(text: bytes, language: str) -> Tree | None:
    """The syntax tree of a UTF-8 text; None for a language without a grammar."""
    found = grammar(language)
    if found is None:
        return None
    from tree_sitter import Parser

    return Parser(found).parse(text)


@cache
def query(language: str, pattern: str) -> Query | None:
    """A tree-sitter query for a language with a grammar."""
    found = grammar(language)
    if found is None:
        return None
    from tree_sitter import Query

    return Query(found, pattern)
