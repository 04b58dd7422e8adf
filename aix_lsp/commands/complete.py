"""`aix-lsp complete`: one completion, streamed to the terminal, through the same code as in editors."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import click

from aix_lsp import logs
from aix_lsp.backends.base import Backend, BackendError, BackendStatus, Delta, GenerateRequest, Usage
from aix_lsp.backends.launch import connect
from aix_lsp.backends.status import wait_until_ready
from aix_lsp.cli import effective
from aix_lsp.commands.printers import JsonPrinter, Printer, ProgressLine, TextPrinter
from aix_lsp.completion.request import CompletionRequest
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.text import DocumentSnapshot, Position, Text
from aix_lsp.languages import language_of_file
from aix_lsp.settings import Settings

_LOADING_S = 600.0
"""How long loading a large model from a slow disk may take."""
_REMOTE_S = 30.0
"""How long to wait for a remote server, which loads nothing for us: it is either there or not."""


@click.command("complete")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--at",
    required=True,
    metavar="LINE:COL",
    help="The cursor: line and column, counted from 1 in characters. Without :COL, the end of the line.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the text.")
@click.option("--candidates", default=1, type=click.IntRange(1, 10), help="Number of candidates, for --json.")
@click.option("--language", default="", help="LSP language id; by default, guessed from the file's name.")
@click.option("--model", help='A folder, a Hugging Face id, or "embedded".')
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any setting; repeatable.")
@click.option("-v", "--verbose", is_flag=True, help="Log everything to standard error.")
def command(
    file: Path,
    at: str,
    as_json: bool,
    candidates: int,
    language: str,
    model: str | None,
    assignments: tuple[str, ...],
    verbose: bool,
) -> None:
    """Complete FILE ("-" is standard input) at a position and print the suggested text.

    The exit status is 0 if there is a suggestion and 1 if there is none.
    """
    logs.configure("debug" if verbose else "error")
    document = read_document(file, language)
    ask = CompletionRequest(document, position_of(at, document), trigger="invoked", candidates=candidates)
    folder = Path.cwd() if str(file) == "-" else file.absolute().parent
    settings = effective(folder, assignments, model)
    printer = JsonPrinter() if as_json else TextPrinter()
    if not asyncio.run(_complete(ask, settings, printer)):
        raise click.exceptions.Exit(1)


class _ErrorRecorder:
    """Remembers why a generation failed, which the service does not show to people who are typing."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.error: BackendError | None = None

    @property
    def status(self) -> BackendStatus:
        return self._backend.status

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        try:
            async with aclosing(self._backend.generate(request)) as events:
                async for event in events:
                    yield event
        except BackendError as error:
            self.error = error
            raise

    async def close(self) -> None:
        await self._backend.close()


async def _complete(ask: CompletionRequest, settings: Settings, printer: Printer) -> bool:
    # Nobody is typing, so the model may take its time.
    patience_s = _REMOTE_S if settings.url else _LOADING_S
    settings = replace(settings, deadline_ms=int(patience_s * 1000))
    backend, progress = connect(settings), ProgressLine()
    try:
        model = await wait_until_ready(backend, patience_s, progress.show)
        progress.clear()
        recorder = _ErrorRecorder(backend)
        service = CompletionService(recorder, lambda _: settings)
        try:
            async with aclosing(service.suggest(ask)) as updates:
                async for update in updates:
                    printer.show(update.suggestions)
        finally:
            await service.close()
        if recorder.error is not None:
            raise recorder.error
        return printer.finish(model.name)
    except BackendError as error:
        progress.clear()
        raise click.ClickException(str(error)) from None
    finally:
        await backend.close()


def read_document(path: Path, language: str) -> DocumentSnapshot:
    """The file, or standard input for "-". Raises click.ClickException if it is not text."""
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


def position_of(spec: str, document: DocumentSnapshot) -> Position:
    """`LINE:COL`, both 1-based, as a position. Raises click.BadParameter if there is no such place."""
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
