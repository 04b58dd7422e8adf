"""Loads tree-sitter's grammars by LSP language id, each when a file of its language is first parsed."""

from __future__ import annotations

import importlib
import logging
import time
from functools import cache
from typing import TYPE_CHECKING

from aix_lsp.languages import language_of

if TYPE_CHECKING:
    from tree_sitter import Language, Query, Tree

TIME_LIMIT_S = 2.0
"""Processor time for one file: a hundred times what code takes."""
_PIECE = 4096

log = logging.getLogger(__name__)


@cache
def grammar(language: str) -> Language | None:
    """The grammar of a language; None if there is none, or it cannot be loaded here."""
    package, _, variant = language_of(language).grammar.partition(".")
    if not package:
        return None
    try:
        from tree_sitter import Language

        function = f"language_{variant}" if variant else "language"
        return Language(getattr(importlib.import_module(f"tree_sitter_{package}"), function)())
    except (ImportError, OSError, ValueError) as error:
        log.warning("%s is read line by line: %s", language, error)
        return None


def parse(text: bytes, language: str, time_limit_s: float = TIME_LIMIT_S) -> Tree | None:
    """The syntax tree of a UTF-8 text; None for a language without a grammar, or if parsing takes too long.

    With some texts, grammars take quadratic time (256 KB of quotation marks: minutes). The parser has no time limit
    of its own, but asks for the text piece by piece; when time is up, it is told that there is no more.
    """
    found = grammar(language)
    if found is None:
        return None
    from tree_sitter import Parser

    deadline = time.process_time() + time_limit_s
    late = False

    def read(start: int, _: object) -> bytes:
        nonlocal late
        late = late or time.process_time() > deadline
        return b"" if late else text[start : start + _PIECE]

    tree = Parser(found).parse(read)
    return None if late else tree


@cache
def query(language: str, pattern: str) -> Query | None:
    """A compiled tree-sitter query for a language that has a grammar."""
    found = grammar(language)
    if found is None:
        return None
    from tree_sitter import Query

    return Query(found, pattern)
