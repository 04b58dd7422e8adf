"""What to ask for before the user does: the place after a suggestion that is shown, as if it were accepted.

Pure. Such an ask goes to the backend at the lowest class; what comes is found by the ask that follows the accept.
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
    if aim.ask.selected is not None or track.logprob is None or math.exp(track.logprob) < _LIKELY:
        return None
    text = suggestion.text
    line = (aim.scene.line_before + normalise(text)).rpartition("\n")[2]
    ended = aim.extent == "line" and track.finish_reason == "stop"
    if ended and not opens_block(line, language_of(aim.scene.language)):
        if aim.scene.line_after[suggestion.replace_right :].strip():
            return None  # nobody breaks the line there
        text += aim.scene.ending + line[: len(line) - len(line.lstrip())]
    entry = SelectedCompletion(aim.real_cursor, text, suggestion.replace_right)
    return Ask(aim.ask.document, aim.ask.cursor, "automatic", CHANNEL, selected=entry)
