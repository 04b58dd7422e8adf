"""Scores a model on held-out files, by four figures for each group of languages. Knows no training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation import cursors
from aix_lsp.training.evaluation.completer import Completer, Completion, NextToken
from aix_lsp.training.evaluation.cursors import Cursor
from aix_lsp.training.spans import line_end

LINE_TOKENS, BLOCK_TOKENS = 48, 160
_PIECE = 3000  # characters per piece of a document on which bits per byte are measured

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """The number of samples for each figure of a group of languages."""

    lines: int = 300
    other_lines: int = 150
    """Line cursors for each group of languages except the first."""
    blocks: int = 80
    replays: int = 24
    pieces: int = 60


GROUPS = {
    "Python": ("python",),
    "TypeScript, JavaScript": ("typescript", "javascript"),
    "Go, Rust, C, Java": ("go", "rust", "c", "java"),
    "Shell, Markdown, data": ("shell", "markdown", "json", "toml", "yaml"),
}


def evaluate(model: NextToken, documents: Sequence[Document], counts: SampleCounts) -> Figures:
    """One model's figures, by group of languages and name; groups without documents are left out."""
    completer, figures = Completer(model), {}
    for number, (group, languages) in enumerate(GROUPS.items()):
        if held := cursors.of_language(documents, *languages):
            places = cursors.lines(held, counts.other_lines if number else counts.lines)
            blocks = cursors.blocks(held, counts.blocks)
            replays = cursors.lines(held, counts.replays, seed=7)
            figures[group] = {
                "bits per byte": bits_per_byte(completer, held, counts.pieces),
                "line exact": mean(each.exact for each in predictions(completer, places)),
                "keystrokes saved": keystrokes_saved(completer, replays),
                "block exact": mean(each.exact for each in predictions(completer, blocks)),
            }
    return figures


@dataclass(frozen=True, slots=True)
class Prediction:
    """A completion at a cursor."""

    cursor: Cursor
    completion: Completion

    @property
    def exact(self) -> bool:
        """Whether the text is the original, except for trailing blanks."""
        return self.completion.text.rstrip() == self.cursor.wanted.rstrip()


def predictions(completer: Completer, places: Iterable[Cursor]) -> list[Prediction]:
    """The model's completions at the cursors, as an editor would get them."""
    found = []
    for cursor in places:
        line = cursor.kind != "block"
        limit = LINE_TOKENS if line else BLOCK_TOKENS
        found.append(
            Prediction(cursor, completer.complete(cursor.prompt(), limit, line, document=cursor.document))
        )
    return found


def mean(values: Iterable[float]) -> float:
    """The mean; nan if there are no values."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan


def bits_per_byte(completer: Completer, documents: Sequence[Document], count: int) -> float:
    """Bits per byte of plain text, in pieces of about 3,000 characters that begin at a line.

    Each piece follows an end token; tokenizers of different sizes are compared on the same bytes.
    """
    rng, nats, size = Random(0), 0.0, 0
    tokenizer = completer.model.tokenizer
    for document in rng.sample(list(documents), min(count, len(documents))):
        start = document.text.rfind("\n", 0, rng.randrange(max(1, len(document.text) - _PIECE // 2))) + 1
        text = document.text[start : start + _PIECE]
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
        nats += completer.model.nats([tokenizer.eos_token_id, *ids][: completer.model.context])
        size += len(text.encode())
    return nats / size / math.log(2)


def keystrokes_saved(completer: Completer, places: Sequence[Cursor], lines: int = 4) -> float:
    """Share of keystrokes saved when the lines from each cursor on are typed again.

    A suggestion is shown after each keystroke, and stays while it agrees with what is typed. It is accepted if the rest
    of its line is what comes next and is longer than a character. An acceptance counts as one keystroke, and so does a
    line ending with the indentation after it.
    """
    characters = keys = 0
    for cursor in places:
        typed, needed = _replay(completer, cursor, lines)
        keys, characters = keys + typed, characters + needed
    return 1 - keys / characters if characters else math.nan


def _replay(completer: Completer, cursor: Cursor, lines: int) -> tuple[int, int]:
    """(keystrokes made, keystrokes without a model) for the lines from a cursor on."""
    text = cursor.document.text
    keys = needed = 0
    place = cursor.start
    for _ in range(lines):
        end = line_end(text, place)
        while place < end:
            shown = completer.complete(
                replace(cursor, start=place, end=end).prompt(),
                LINE_TOKENS,
                line=True,
                document=cursor.document,
            ).text
            step, used = _type(text[place:end], shown.rstrip())
            place, keys = place + step, keys + used
            needed += step
        place = end + 1
        while place < len(text) and text[place] in " \t\n":
            place += 1
        keys, needed = keys + 1, needed + 1
        if place >= len(text):
            break
    return keys, needed


def _type(left: str, shown: str) -> tuple[int, int]:
    """(characters, keystrokes) until the next suggestion: `shown` is accepted, or typed while it agrees."""
    if len(shown) > 1 and left.startswith(shown):
        return len(shown), 1
    agreed = 0
    while agreed < min(len(left), len(shown)) and left[agreed] == shown[agreed]:
        agreed += 1
    # The keystroke that differs from the suggestion requests the next one.
    step = min(agreed + 1, len(left))
    return step, step
