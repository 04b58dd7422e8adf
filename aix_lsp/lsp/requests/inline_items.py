"""Suggestions as ghost text: from a place and a suggestion to an inline item. Asks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lsprotocol import types

from aix_lsp.completion.suggestion import Ask, Suggestion
from aix_lsp.lsp.requests.asking import Place
from aix_lsp.lsp.requests.popup_items import accepted


def item(place: Place, ask: Ask, suggestion: Suggestion) -> dict[str, Any]:
    """One suggestion as an item, which the session remembers for what its client will say of it."""
    text, span = _span(place, ask, suggestion)
    place.session.remember(place.target, suggestion)
    return {
        "insertText": text,
        "range": span,
        "command": accepted(suggestion),
    }


def growth(place: Place, ask: Ask, suggestions: Sequence[Suggestion]) -> dict[str, Any]:
    """The best candidate so far, with its range, so that a client can take it before the answer comes."""
    if not suggestions:
        return {"text": ""}
    text, span = _span(place, ask, suggestions[0])
    return {"text": text, "range": span}


def cost(suggestion: Suggestion) -> dict[str, Any]:
    """Which suggestion it is, where it came from, and what it took in tokens and milliseconds."""
    return {
        "id": suggestion.id,
        "source": suggestion.source,
        "promptTokens": suggestion.prompt_tokens,
        "reusedTokens": suggestion.reused_tokens,
        "completionTokens": suggestion.completion_tokens,
        "firstTextMs": round(suggestion.first_text_ms, 3),
        "totalMs": round(suggestion.total_ms, 3),
    }


def _span(place: Place, ask: Ask, suggestion: Suggestion) -> tuple[str, types.Range]:
    """Text and range, which start where the selected popup entry does, else at the cursor."""
    start, text = place.cursor, suggestion.text
    if ask.selected is not None:
        start = place.target.out_of_whole(ask.selected.start)
        text = ask.selected.text + text
    return text, place.range(start, place.right_of(suggestion.replace_right))
