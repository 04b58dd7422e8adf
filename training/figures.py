"""Computes all figures of several models on the same samples, as data and as a table. Knows no training."""

from __future__ import annotations

import ast
import difflib
import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from random import Random

from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation import cursors, scores
from aix_lsp.training.evaluation.completer import Completer, NextToken
from aix_lsp.training.evaluation.cursors import Cursor
from aix_lsp.training.evaluation.scores import GROUPS, Figures, Prediction, SampleCounts, mean
from training.completer import RecallCompleter

log = logging.getLogger(__name__)

_REPEATS = 4  # times the same line in a row: the suggestion runs in circles
_PAIR = re.compile(r"[(\[{]([^()\[\]{}\n]{3,60})[)\]}]")


def evaluate(
    model: NextToken,
    documents: Sequence[Document],
    counts: SampleCounts | None = None,
    recall: bool = False,
    known: Figures | None = None,
    keep: Callable[[Figures], None] = lambda figures: None,
) -> Figures:
    """Every figure of one model, and some of its answers; with `recall` mixed in as in the engine.

    `known` are the figures of an interrupted evaluation; `keep` is called with the figures so far after each group.
    """
    counts = counts or SampleCounts()
    completer = RecallCompleter(model, documents if recall else None)
    figures = {**(known or {}), "model": model.name}
    for number, (group, languages) in enumerate(GROUPS.items()):
        held = cursors.of_language(documents, *languages)
        if not held or group in figures:
            continue
        started = time.monotonic()
        figures[group] = _group(completer, held, counts, counts.other_lines if number else counts.lines)
        log.info("%s, %s: %.0f s", model.name, group, time.monotonic() - started)
        keep(figures)
    return figures


def _group(completer: RecallCompleter, held: Sequence[Document], counts: SampleCounts, count: int) -> Figures:
    places = cursors.lines(held, count)
    inside = in_brackets(held, count // 2)
    with_suffix = scores.predictions(completer, places)
    blocks = scores.predictions(completer, cursors.blocks(held, counts.blocks))
    parsed = [found for a in (*with_suffix, *blocks) if (found := parses(a)) is not None]
    kinds = ("mid-word", "after a sign", "line start")
    return {
        "bits per byte": scores.bits_per_byte(completer, held, counts.pieces),
        "line exact": mean(a.exact for a in with_suffix),
        **{
            f"line exact, {kind}": mean(a.exact for a in with_suffix if a.cursor.kind == kind)
            for kind in kinds
        },
        "line similarity": mean(similarity(a) for a in with_suffix),
        "line exact, no suffix": exact_lines(completer, places, suffix=False),
        "line exact, no healing": exact_lines(completer, places, heal=False),
        "bits per byte of middles": middle_bits(completer, [*places[: count // 2], *inside]),
        "bits per byte of middles, no suffix": middle_bits(
            completer, [*places[: count // 2], *inside], suffix=False
        ),
        "in brackets exact": exact_lines(completer, inside),
        "in brackets exact, no suffix": exact_lines(completer, inside, suffix=False),
        "line ended": ended_lines(completer, places[: count // 2]),
        "block exact": mean(a.exact for a in blocks),
        "block similarity": mean(similarity(a) for a in blocks),
        "block ended": mean(ended_correctly(a) for a in blocks),
        "block repeats": mean(repeats(a) for a in blocks),
        "parses": mean(map(float, parsed)),
        "keystrokes saved": scores.keystrokes_saved(completer, cursors.lines(held, counts.replays, seed=7)),
        "samples": [_sample(a) for a in (*with_suffix[:24], *blocks[:12])],
    }


def _sample(prediction: scores.Prediction) -> Figures:
    start = prediction.cursor.start
    text = prediction.cursor.document.text
    return {
        "path": prediction.cursor.document.path,
        "before": text[max(0, start - 200) : start],
        "wanted": prediction.cursor.wanted,
        "written": prediction.completion.text,
        "ended": prediction.completion.ended,
    }


def table(all_figures: Sequence[Figures]) -> str:
    """A Markdown table: one row per figure, one column per model, for each group of languages."""
    rows = ["| | " + " | ".join(str(f["model"]) for f in all_figures) + " |"]
    rows.append("|---" * (len(all_figures) + 1) + "|")
    for group in GROUPS:
        names: Figures = next((f[group] for f in all_figures if group in f), {})
        rows += [f"| **{group}** |" + " |" * len(all_figures)] if names else []
        for name in names:
            if name != "samples":
                values = [_shown(name, f.get(group, {}).get(name, float("nan"))) for f in all_figures]
                rows.append(f"| {name} | " + " | ".join(values) + " |")
    return "\n".join(rows) + "\n"


def _shown(name: str, value: float) -> str:
    if value != value:
        return "–"
    return f"{value:.3f}" if name.startswith("bits per byte") else f"{value:.1%}"


def similarity(prediction: Prediction) -> float:
    """Edit similarity, 0 to 1: the ratio of matching characters (Ratcliff and Obershelp 1988)."""
    return difflib.SequenceMatcher(
        None, prediction.completion.text, prediction.cursor.wanted, autojunk=False
    ).ratio()


def ended_correctly(prediction: Prediction) -> bool:
    """Whether the model ended by itself, on the line where the middle ends."""
    lines = prediction.cursor.wanted.strip().count("\n")
    return prediction.completion.ended and prediction.completion.text.strip().count("\n") == lines


def repeats(prediction: Prediction) -> bool:
    """Whether a line occurs several times in a row."""
    lines = [line.strip() for line in prediction.completion.text.split("\n") if line.strip()]
    return any(len(set(lines[at : at + _REPEATS])) == 1 for at in range(len(lines) - _REPEATS + 1))


def parses(prediction: Prediction) -> bool | None:
    """Whether the Python file parses with the suggestion in it; None if that means nothing."""
    document = prediction.cursor.document
    if document.language != "python" or not _parses(document.text):
        return None
    start, end = prediction.cursor.start, prediction.cursor.end
    return _parses(document.text[:start] + prediction.completion.text + document.text[end:])


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def exact_lines(
    completer: Completer, places: Iterable[Cursor], suffix: bool = True, heal: bool = True
) -> float:
    """Share of line cursors answered exactly; without `suffix`, the prompt has only the text before them."""
    right = []
    for cursor in places:
        prompt = cursor.prompt(suffix)
        done = completer.complete(
            prompt, scores.LINE_TOKENS, line=True, heal=heal, expected=cursor.wanted, document=cursor.document
        )
        right.append(Prediction(cursor, done).exact)
    return mean(right)


def middle_bits(completer: RecallCompleter, places: Iterable[Cursor], suffix: bool = True) -> float:
    """Bits per byte of the text at the cursors; without `suffix`, the prompt has only the text before them."""
    nats, size = 0.0, 0
    for cursor in places:
        nats += completer.nats(cursor.prompt(suffix), cursor.wanted)
        size += len(cursor.wanted.encode())
    return nats / size / math.log(2) if size else math.nan


def ended_lines(completer: Completer, places: Iterable[Cursor]) -> float:
    """Share of one-line middles that the model itself ends at the line's end, without being stopped there."""
    ended = [
        completer.complete(c.prompt(), scores.LINE_TOKENS, line=False, document=c.document) for c in places
    ]
    return mean(done.ended and "\n" not in done.text.rstrip() for done in ended)


def in_brackets(documents: Sequence[Document], count: int) -> list[Cursor]:
    """`count` rests of the content of brackets within a line that continues after the closing bracket.

    Only the text after the cursor tells where they end.
    """
    rng = Random(0)
    found: list[Cursor] = []
    for _ in range(count * 400):
        if len(found) == count:
            break
        text = (document := cursors.draw(rng, documents)).text
        place = rng.randrange(len(text))
        pair = _PAIR.search(text, place, place + 400)
        if pair is not None and cursors.is_code(text[text.rfind("\n", 0, pair.start()) + 1 : pair.end()]):
            found.append(
                Cursor(document, "in brackets", rng.randrange(pair.start(1), pair.end(1)), pair.end(1))
            )
    return found
