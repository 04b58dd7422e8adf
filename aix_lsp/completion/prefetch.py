"""Prefetch: the request that will follow when a suggestion is accepted, or when its line ends.

Pure. Such a request goes to the backend at the lowest priority; the real one finds what was generated.
"""

from __future__ import annotations

import math

from aix_lsp.completion.generation import Track
from aix_lsp.completion.request import CompletionContext, CompletionRequest, SelectedCompletion, Suggestion
from aix_lsp.fim.block import opens_block
from aix_lsp.fim.reading import normalise
from aix_lsp.languages import language_of

CHANNEL = "prefetch"
"""The channel of such requests; nobody waits for their answers."""

_LIKELY = 0.1
"""Less likely suggestions are rarely taken whole (in the replay 1 of 20, above it 1 of 4)."""


def after_acceptance(
    context: CompletionContext, suggestion: Suggestion, track: Track
) -> CompletionRequest | None:
    """The request that will come when `suggestion`, from `track`, is accepted; None where that is unlikely.

    Where the model has ended its line, the next request comes on a new line, which the editor indents as that one;
    behind what opens a block it comes at once.
    """
    if not _likely(track):
        return None
    line = (context.cursor.line_before + normalise(suggestion.text)).rpartition("\n")[2]
    if _ended(context, track) and not opens_block(line, language_of(context.cursor.language)):
        return _below(context, suggestion.text, suggestion.replace_right, line)
    return _after(context, suggestion.text, suggestion.replace_right)


def after_line_break(context: CompletionContext, typed: str, track: Track) -> CompletionRequest | None:
    """The request that will come when the line is broken; None where `track` does not end it at the cursor.

    `typed` is what was typed of the track: who went along with it to the line's end goes on below.
    """
    wrote_more = not track.raw.startswith(typed) or track.raw[len(typed) :].strip()
    if wrote_more or not _ended(context, track) or not (typed or _likely(track)):
        return None
    return _below(context, "", 0, context.cursor.line_before) if context.cursor.line_before.strip() else None


def _likely(track: Track) -> bool:
    return track.logprob is not None and math.exp(track.logprob) >= _LIKELY


def _ended(context: CompletionContext, track: Track) -> bool:
    return not context.multiline and track.finish_reason == "stop"


def _below(context: CompletionContext, text: str, replaced: int, line: str) -> CompletionRequest | None:
    """The request on a new line behind `text`, which ends with `line`."""
    if context.cursor.line_after[replaced:].strip():
        return None  # nobody breaks the line there
    return _after(context, text + context.cursor.ending + line[: len(line) - len(line.lstrip())], replaced)


def _after(context: CompletionContext, text: str, replaced: int) -> CompletionRequest | None:
    if context.request.selected is not None:
        return None
    entry = SelectedCompletion(context.request_position, text, replaced)
    return CompletionRequest(
        context.request.document, context.request.position, "automatic", CHANNEL, selected=entry
    )
