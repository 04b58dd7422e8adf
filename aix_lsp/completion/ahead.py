"""What to ask for before the user does: the place after a suggestion that is shown, as if it were accepted, and the
next line where this one has ended.

Pure. Such an ask goes to the backend at the lowest class; what comes is found by the ask that follows.
"""

from __future__ import annotations

import math

from aix_lsp.completion.aim import Aim
from aix_lsp.completion.generation import Track
from aix_lsp.completion.languages import language_of, opens_block
from aix_lsp.completion.suggestion import Ask, SelectedCompletion, Suggestion
from aix_lsp.fim.reading import normalise

CHANNEL = "ahead"
"""The channel of such asks; nobody waits for their answers."""

_LIKELY = 0.1
"""Less likely suggestions are rarely taken whole (in the replay 1 of 20, above it 1 of 4)."""


def ahead(aim: Aim, suggestion: Suggestion, track: Track) -> Ask | None:
    """The ask that will come when `suggestion`, from `track`, is accepted; None where that is unlikely.

    Where the model has ended its line, the next ask comes on a new line, which the editor indents as that one;
    behind what opens a block it comes at once.
    """
    if not _likely(track):
        return None
    line = (aim.scene.line_before + normalise(suggestion.text)).rpartition("\n")[2]
    if _ended(aim, track) and not opens_block(line, language_of(aim.scene.language)):
        return _below(aim, suggestion.text, suggestion.replace_right, line)
    return _after(aim, suggestion.text, suggestion.replace_right)


def next_line(aim: Aim, typed: str, track: Track) -> Ask | None:
    """The ask that will come when the line is broken; None where `track` does not end it at the cursor.

    `typed` is what was typed of the track: who went along with it to the line's end goes on below.
    """
    wrote_more = not track.raw.startswith(typed) or track.raw[len(typed) :].strip()
    if wrote_more or not _ended(aim, track) or not (typed or _likely(track)):
        return None
    return _below(aim, "", 0, aim.scene.line_before) if aim.scene.line_before.strip() else None


def _likely(track: Track) -> bool:
    return track.logprob is not None and math.exp(track.logprob) >= _LIKELY


def _ended(aim: Aim, track: Track) -> bool:
    return aim.extent == "line" and track.finish_reason == "stop"


def _below(aim: Aim, text: str, replaced: int, line: str) -> Ask | None:
    """The ask on a new line behind `text`, which ends with `line`."""
    if aim.scene.line_after[replaced:].strip():
        return None  # nobody breaks the line there
    return _after(aim, text + aim.scene.ending + line[: len(line) - len(line.lstrip())], replaced)


def _after(aim: Aim, text: str, replaced: int) -> Ask | None:
    if aim.ask.selected is not None:
        return None
    entry = SelectedCompletion(aim.real_cursor, text, replaced)
    return Ask(aim.ask.document, aim.ask.cursor, "automatic", CHANNEL, selected=entry)
