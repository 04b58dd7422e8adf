"""Reads the file and position given on a command line, as a document."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from aix_lsp.completion.text import DocumentSnapshot, Position, Text
from aix_lsp.languages import language_of_file


def read(path: Path, language: str) -> DocumentSnapshot:
    """The file, or standard input for "-". Raises click.ClickException where it is no text."""
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}.") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is not UTF-8 text (byte {error.start}).") from None
    if "\0" in text:
        raise click.ClickException(f"{path} is not text: it contains null bytes.")
    return DocumentSnapshot(
        path.absolute().as_uri(), 0, language or language_of_file(path), _shown(path), Text.of(text)
    )


def place(spec: str, document: DocumentSnapshot) -> Position:
    """`LINE:COL`, both from 1, as a position. Raises click.BadParameter where there is no such place."""
    line_text, colon, column_text = spec.partition(":")
    if not (line_text.isdecimal() and (column_text.isdecimal() or not colon)):
        raise click.BadParameter(f"{spec!r} is not LINE:COL, such as 12:5.")
    line = int(line_text)
    if not 1 <= line <= document.text.line_count:
        raise click.BadParameter(f"there is no line {line}; the file has {document.text.line_count}.")
    width = len(document.text.line(line - 1).rstrip("\r\n"))
    column = int(column_text) if colon else width + 1
    if not 1 <= column <= width + 1:
        raise click.BadParameter(f"line {line} has columns 1 to {width + 1}, not {column}.")
    return Position(line - 1, column - 1)


def _shown(path: Path) -> str:
    absolute = path.absolute()
    here = Path.cwd()
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else path.name
