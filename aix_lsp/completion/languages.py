"""What filters need to know of a language: comments, quotes, and what opens and goes on with a block."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from aix_lsp.fim.comments import comment


def _ids(names: str) -> frozenset[str]:
    return frozenset(names.split())


_COLON = _ids("python cython gdscript nim yaml mojo starlark snakemake")
_END = _ids("ruby lua julia elixir shellscript fish pascal vhdl ada matlab fortran crystal vb")
_PROSE = _ids("markdown plaintext latex tex restructuredtext asciidoc text")
# An apostrophe is a lifetime, a prime or a quoted symbol there more often than a string.
_NO_APOSTROPHE = _PROSE | _ids(
    "rust haskell lisp clojure emacs-lisp commonlisp scheme racket ocaml fsharp vb html xml"
)
_BACKTICK = _ids("javascript javascriptreact typescript typescriptreact vue svelte go shellscript")
_SLASHED = _ids("javascript javascriptreact typescript typescriptreact vue svelte ruby coffeescript")
_TRIPLE = _ids("python cython gdscript nim mojo starlark snakemake julia elixir toml kotlin scala")


@dataclass(frozen=True, slots=True)
class Language:
    """How a language's code is read, roughly; right for the common ones and harmless for others."""

    line_comment: str
    block_comments: bool
    quotes: str
    """Characters that open and close a string."""
    triple: bool
    """Whether three quotes open a string of several lines."""
    block: Literal["colon", "brace", "end"]
    prose: bool = False
    slashed: bool = False
    """Whether regular expressions stand between slashes."""


@cache
def language_of(language_id: str) -> Language:
    """What is known of an LSP language id; a brace language with both quotes where nothing is."""
    mark = comment(language_id, "").split(" ")[0].strip()
    apostrophe = "" if language_id in _NO_APOSTROPHE else "'"
    backtick = "`" if language_id in _BACKTICK else ""
    block: Literal["colon", "brace", "end"] = "brace"
    if language_id in _COLON:
        block = "colon"
    elif language_id in _END:
        block = "end"
    slashes = mark in ("//", "/*", "") and language_id not in _PROSE
    return Language(
        line_comment="" if mark in ("/*", "<!--", "(*") else mark,
        block_comments=slashes,
        quotes='"' + apostrophe + backtick,
        triple=language_id in _TRIPLE,
        block=block,
        prose=language_id in _PROSE,
        slashed=language_id in _SLASHED,
    )


_OPENERS = {
    "colon": re.compile(r"(:|[(\[{]|\\)\s*(#.*)?$"),
    "brace": re.compile(r"([{(\[]|=>|->)\s*(//.*)?$"),
    "end": re.compile(
        r"(\b(do|then|else|begin|def|function|class|module|repeat|loop|of|is)\b[^#\n]*|[{(\[])$"
    ),
}
_CONTINUATIONS = {
    "colon": re.compile(r"(else|elif|except|finally|case)\b"),
    "brace": re.compile(r"(\}|\)|\]|else\b|catch\b|finally\b|while\b|case\b|default\b)"),
    "end": re.compile(
        r"(else|elsif|elseif|elif|rescue|ensure|when|catch|in|end|fi|done|esac|until)\b|[})\]]"
    ),
}
_CLOSING = re.compile(r"([)\]}]+[;,.]*|end|fi|done|esac|</\w*>?)\s*$")


def opens_block(line: str, language: Language) -> bool:
    """Whether what follows `line` (left of the cursor) is expected on deeper lines."""
    return _OPENERS[language.block].search(line.rstrip()) is not None


def continues_block(line: str, language: Language) -> bool:
    """Whether `line` goes on with, or closes, the block above it at the same indentation."""
    return _CONTINUATIONS[language.block].match(line.lstrip()) is not None or closes_block(line)


def may_continue(partial: str, language: Language) -> bool:
    """Whether a line that begins with `partial` may turn out to continue the block above it."""
    start = partial.strip()
    if continues_block(start, language):
        return True
    words = ("else", "elif", "except", "finally", "case", "catch", "while", "default", "elsif", "elseif")
    more = ("rescue", "ensure", "when", "end", "fi", "done", "esac", "until")
    return any(word.startswith(start) for word in words + (more if language.block == "end" else ()))


def closes_block(line: str) -> bool:
    """Whether `line` holds nothing but the end of a block."""
    return _CLOSING.match(line.strip()) is not None


def indentation(line: str) -> int:
    """Columns of white space at a line's head; a tab goes to the next multiple of four."""
    head = line[: len(line) - len(line.lstrip(" \t"))]
    return len(head.expandtabs(4))
