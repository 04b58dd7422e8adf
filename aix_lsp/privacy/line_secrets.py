"""The secrets in one line, of all kinds; what is surest goes first where two overlap. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from aix_lsp.privacy import command_lines, credential_calls, key_shapes, named_values
from aix_lsp.privacy.scanned_line import ScannedLine, Span


def secrets_in(line: ScannedLine) -> list[Span]:
    """Every secret, of those that are known by their shape without what is the same in all of a kind."""
    known = list(key_shapes.known(line))
    found: list[Span] = [
        *named_values.named(line),
        *credential_calls.calls(line),
        *command_lines.credentials(line),
        *key_shapes.without_name(line),
    ]
    for begin, start, end in known:
        found = list(_without(found, begin, end))
        found.append((start, end))
    return found


def _without(spans: list[Span], begin: int, stop: int) -> Iterator[Span]:
    """What is left of spans beside one that is surer."""
    for start, end in spans:
        if end <= begin or stop <= start:
            yield start, end
            continue
        if start < begin:
            yield start, begin
        if stop < end:
            yield stop, end
