"""The figures of the evaluation: what is measured of one model at given cursors. Writes no report."""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation.completer import Completer, Completion
from aix_lsp.training.evaluation.cursors import Cursor

LINE_TOKENS, BLOCK_TOKENS = 48, 160
_PIECE = 3000  # characters of a document that bits per byte are measured on
_REPEATS = 4  # times the same line in a row: a suggestion that goes round in circles


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion at a cursor."""

    cursor: Cursor
    completion: Completion

    @property
    def exact(self) -> bool:
        """Whether what was written is what stood there, but for blanks at its end."""
        return self.completion.text.rstrip() == self.cursor.wanted.rstrip()

    @property
    def similarity(self) -> float:
        """Edit similarity, 0 to 1: the ratio of matching characters (Ratcliff and Obershelp 1988)."""
        return difflib.SequenceMatcher(None, self.completion.text, self.cursor.wanted, autojunk=False).ratio()

    @property
    def ended_right(self) -> bool:
        """Whether the model ended by itself, on the line where the middle ends."""
        lines = self.cursor.wanted.strip().count("\n")
        return self.completion.ended and self.completion.text.strip().count("\n") == lines

    @property
    def repeats(self) -> bool:
        """Whether one line stands several times in a row."""
        lines = [line.strip() for line in self.completion.text.split("\n") if line.strip()]
        return any(len(set(lines[at : at + _REPEATS])) == 1 for at in range(len(lines) - _REPEATS + 1))

    @property
    def parses(self) -> bool | None:
        """Whether the Python file parses with the suggestion in it; None where that says nothing."""
        document = self.cursor.document
        if document.language != "python" or not _parses(document.text):
            return None
        start, end = self.cursor.start, self.cursor.end
        return _parses(document.text[:start] + self.completion.text + document.text[end:])


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def answers(completer: Completer, cursors: Iterable[Cursor]) -> list[Answer]:
    """The model's answers at the cursors, as an editor would get them."""
    found = []
    for cursor in cursors:
        line = cursor.kind != "block"
        limit = LINE_TOKENS if line else BLOCK_TOKENS
        found.append(
            Answer(cursor, completer.complete(cursor.prompt(), limit, line, document=cursor.document))
        )
    return found


def exact_lines(
    completer: Completer, cursors: Iterable[Cursor], suffix: bool = True, heal: bool = True
) -> float:
    """Share of line cursors answered exactly; without `suffix`, the prompt has only the text before them."""
    right = []
    for cursor in cursors:
        prompt = cursor.prompt(suffix)
        done = completer.complete(
            prompt, LINE_TOKENS, line=True, heal=heal, expected=cursor.wanted, document=cursor.document
        )
        right.append(Answer(cursor, done).exact)
    return mean(right)


def middle_bits(completer: Completer, cursors: Iterable[Cursor], suffix: bool = True) -> float:
    """Bits per byte of the text at the cursors; without `suffix`, the prompt has only the text before them."""
    nats, size = 0.0, 0
    for cursor in cursors:
        nats += completer.nats(cursor.prompt(suffix), cursor.wanted)
        size += len(cursor.wanted.encode())
    return nats / size / math.log(2) if size else math.nan


def ended_lines(completer: Completer, cursors: Iterable[Cursor]) -> float:
    """Share of one-line middles that the model ends by itself at the line's end, not stopped there by us."""
    ended = [completer.complete(c.prompt(), LINE_TOKENS, line=False, document=c.document) for c in cursors]
    return mean(done.ended and "\n" not in done.text.rstrip() for done in ended)


def mean(values: Iterable[float]) -> float:
    """The mean, or nan of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan


def bits_per_byte(completer: Completer, documents: Sequence[Document], count: int, seed: int = 0) -> float:
    """Bits a byte of plain text, in pieces of about 3,000 characters that begin with a line.

    Each piece begins after an end token; tokenizers of different sizes are compared on the same bytes.
    """
    rng, nats, size = Random(seed), 0.0, 0
    tokenizer = completer.model.tokenizer
    for document in rng.sample(list(documents), min(count, len(documents))):
        start = document.text.rfind("\n", 0, rng.randrange(max(1, len(document.text) - _PIECE // 2))) + 1
        text = document.text[start : start + _PIECE]
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
        nats += completer.model.nats([tokenizer.eos_token_id, *ids][: completer.model.context])
        size += len(text.encode())
    return nats / size / math.log(2)


def keystrokes_saved(
    completer: Completer, cursors: Sequence[Cursor], lines: int = 4, told: Callable[[], None] = lambda: None
) -> float:
    """Share of keystrokes that are spared when the lines from each cursor on are typed again.

    A suggestion is shown after each keystroke; while what is typed equals its head it stays. It is accepted
    where all it shows of the line comes next, if it shows more than a character. An acceptance counts as one
    keystroke, and so does a line end with the indentation behind it.
    """
    characters = keys = 0
    for cursor in cursors:
        typed, needed = _replay(completer, cursor, lines)
        keys, characters = keys + typed, characters + needed
        told()
    return 1 - keys / characters if characters else math.nan


def _replay(completer: Completer, cursor: Cursor, lines: int) -> tuple[int, int]:
    """(keystrokes made, keystrokes without a model) for the lines from a cursor on."""
    text = cursor.document.text
    keys = needed = 0
    place = cursor.start
    for _ in range(lines):
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
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
    """(characters, keystrokes) to the next suggestion: `shown` is accepted, or typed on while it agrees."""
    if len(shown) > 1 and left.startswith(shown):
        return len(shown), 1
    agreed = 0
    while agreed < min(len(left), len(shown)) and left[agreed] == shown[agreed]:
        agreed += 1
    # The keystroke that departs from the suggestion asks for the next one.
    step = min(agreed + 1, len(left))
    return step, step
