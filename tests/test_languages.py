"""The table of languages: what each row defines, and what must hold for all of them."""

from __future__ import annotations

import importlib

import pytest

from aix_lsp.languages import (
    INDEXED_SUFFIXES,
    LANGUAGES,
    indexed_language,
    language_of,
    language_of_file,
    related,
)


@pytest.mark.parametrize(
    ("path", "language", "indexed"),
    [
        ("a.py", "python", "python"),
        ("include/a.H", "c", "c"),
        ("a.tsx", "typescriptreact", "typescriptreact"),
        ("docs/a.md", "markdown", ""),
        ("Makefile", "makefile", ""),
        ("sub/CMakeLists.txt", "cmake", ""),
        ("a.unknown", "", ""),
        ("noise", "", ""),
    ],
)
def test_files(path: str, language: str, indexed: str) -> None:
    assert (language_of_file(path), indexed_language(path)) == (language, indexed)


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("python", "# x\n"),
        ("css", "/* x */\n"),
        ("markdown", "<!-- x -->\n"),
        ("vb", "' x\n"),
        ("klingon", ""),
    ],
)
def test_comments(language: str, line: str) -> None:
    assert language_of(language).comment_line("x") == line


def test_an_unknown_language() -> None:
    unknown = language_of("klingon")
    assert (unknown.name, unknown.block, unknown.quotes, unknown.block_comments) == (
        "Klingon",
        "brace",
        "\"'",
        True,
    )


def test_related() -> None:
    assert related("c", "cpp") and related("vue", "typescript") and related("klingon", "klingon")
    assert not related("c", "typescript") and not related("python", "go") and not related("go", "rust")


def test_no_file_is_of_two_languages() -> None:
    files = [file for language in LANGUAGES.values() for file in language.files]
    assert len(files) == len(set(files)) and set(INDEXED_SUFFIXES) <= set(files)


@pytest.mark.parametrize("language", [each.id for each in LANGUAGES.values() if each.grammar])
def test_every_grammar_exists(language: str) -> None:
    package, _, variant = language_of(language).grammar.partition(".")
    module = importlib.import_module(f"tree_sitter_{package}")
    assert hasattr(module, f"language_{variant}" if variant else "language")
