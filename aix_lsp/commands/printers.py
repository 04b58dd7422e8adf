"""Prints a completion in a terminal or for a script."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Protocol

import click

from aix_lsp.backends.base import BackendStatus
from aix_lsp.completion.request import Suggestion
from aix_lsp.logs import printable


class Printer(Protocol):
    """Receives the suggestions as they grow."""

    def show(self, suggestions: Sequence[Suggestion]) -> None: ...

    def finish(self, model: str) -> bool:
        """End the output; returns whether there was a suggestion."""
        ...


class TextPrinter:
    """Writes the first suggestion's text as it grows, and nothing else, to standard output."""

    def __init__(self) -> None:
        self._shown = ""

    def show(self, suggestions: Sequence[Suggestion]) -> None:
        text = suggestions[0].text if suggestions else self._shown
        if not text.startswith(self._shown):
            # A filter has shortened the text. What was written cannot be taken back, so begin again.
            click.echo()
            self._shown = ""
        click.echo(printable(text[len(self._shown) :], keep="\n\r\t"), nl=False)
        self._shown = text

    def finish(self, model: str) -> bool:
        if self._shown:
            click.echo()
            return True
        click.echo(f"{model} suggests nothing here.", err=True)
        return False


class JsonPrinter:
    """Writes one JSON object at the end."""

    def __init__(self) -> None:
        self._last: Sequence[Suggestion] = ()

    def show(self, suggestions: Sequence[Suggestion]) -> None:
        self._last = suggestions

    def finish(self, model: str) -> bool:
        answer = {"model": model, "suggestions": [_as_json(suggestion) for suggestion in self._last]}
        click.echo(json.dumps(answer))  # in ASCII, so that it contains no terminal escapes
        return bool(self._last)


def _as_json(suggestion: Suggestion) -> dict[str, object]:
    return {
        "text": suggestion.text,
        "replaceRight": suggestion.replace_right,
        "source": suggestion.source,
        "promptTokens": suggestion.prompt_tokens,
        "reusedTokens": suggestion.reused_tokens,
        "completionTokens": suggestion.completion_tokens,
        "firstTextMs": round(suggestion.first_text_ms, 2),
        "totalMs": round(suggestion.total_ms, 2),
        "meanLogprob": suggestion.mean_logprob,
    }


class ProgressLine:
    """Shows on standard error what the command waits for: on one line in a terminal, otherwise on a line per change."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._written = ""

    def show(self, status: BackendStatus) -> None:
        message = status.message or status.state
        if status.state == "ready" or message == self._written:
            return
        if self._terminal:
            share = "" if status.fraction is None else f" {status.fraction:.0%}"
            click.echo(f"\r\x1b[K{message}{share}", nl=False, err=True)
        elif status.state in ("throttled", "away"):
            # The user of a script wants to know about states that may not pass by themselves.
            click.echo(f"waiting: {message}", err=True)
        self._written = message

    def clear(self) -> None:
        if self._written and self._terminal:
            click.echo("\r\x1b[K", nl=False, err=True)
        self._written = ""
