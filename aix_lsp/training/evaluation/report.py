"""All figures of several models on the same samples, as data and as a table. Knows no training."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation import cursors, scores
from aix_lsp.training.evaluation.completer import Completer, NextToken
from aix_lsp.training.evaluation.scores import mean

log = logging.getLogger(__name__)

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Extent:
    """How many samples are drawn for each figure of a group of languages."""

    lines: int = 300
    other_lines: int = 150
    """Line cursors of each group of languages but the first."""
    blocks: int = 80
    replays: int = 24
    pieces: int = 60


GROUPS = {
    "Python": ("python",),
    "TypeScript, JavaScript": ("typescript", "javascript"),
    "Go, Rust, C, Java": ("go", "rust", "c", "java"),
    "Shell, Markdown, data": ("shell", "markdown", "json", "toml", "yaml"),
}


def evaluate(
    model: NextToken,
    documents: Sequence[Document],
    extent: Extent | None = None,
    recall: bool = False,
    known: Figures | None = None,
    keep: Callable[[Figures], None] = lambda figures: None,
) -> Figures:
    """Every figure of one model, and some of its answers; with `recall` as the engine mixes it in.

    `known` are figures of an evaluation that was ended early; `keep` gets the figures so far after each group.
    """
    extent = extent or Extent()
    completer = Completer(model, documents if recall else None)
    figures = {**(known or {}), "model": model.name}
    for number, (group, languages) in enumerate(GROUPS.items()):
        held = cursors.of_language(documents, *languages)
        if not held or group in figures:
            continue
        started = time.monotonic()
        figures[group] = _group(completer, held, extent, extent.other_lines if number else extent.lines)
        log.info("%s, %s: %.0f s", model.name, group, time.monotonic() - started)
        keep(figures)
    return figures


def _group(completer: Completer, held: Sequence[Document], extent: Extent, count: int) -> Figures:
    places = cursors.lines(held, count)
    inside = cursors.in_brackets(held, count // 2)
    with_suffix = scores.answers(completer, places)
    blocks = scores.answers(completer, cursors.blocks(held, extent.blocks))
    parsed = [a.parses for a in (*with_suffix, *blocks) if a.parses is not None]
    kinds = ("mid-word", "after a sign", "line start")
    return {
        "bits per byte": scores.bits_per_byte(completer, held, extent.pieces),
        "line exact": mean(a.exact for a in with_suffix),
        **{
            f"line exact, {kind}": mean(a.exact for a in with_suffix if a.cursor.kind == kind)
            for kind in kinds
        },
        "line similarity": mean(a.similarity for a in with_suffix),
        "line exact, no suffix": scores.exact_lines(completer, places, suffix=False),
        "line exact, no healing": scores.exact_lines(completer, places, heal=False),
        "bits per byte of middles": scores.middle_bits(completer, [*places[: count // 2], *inside]),
        "bits per byte of middles, no suffix": scores.middle_bits(
            completer, [*places[: count // 2], *inside], suffix=False
        ),
        "in brackets exact": scores.exact_lines(completer, inside),
        "in brackets exact, no suffix": scores.exact_lines(completer, inside, suffix=False),
        "line ended": scores.ended_lines(completer, places[: count // 2]),
        "block exact": mean(a.exact for a in blocks),
        "block similarity": mean(a.similarity for a in blocks),
        "block ended": mean(a.ended_right for a in blocks),
        "block repeats": mean(a.repeats for a in blocks),
        "parses": mean(map(float, parsed)),
        "keystrokes saved": scores.keystrokes_saved(completer, cursors.lines(held, extent.replays, seed=7)),
        "samples": [_sample(a) for a in (*with_suffix[:24], *blocks[:12])],
    }


def _sample(answer: scores.Answer) -> Figures:
    start = answer.cursor.start
    text = answer.cursor.document.text
    return {
        "path": answer.cursor.document.path,
        "before": text[max(0, start - 200) : start],
        "wanted": answer.cursor.wanted,
        "written": answer.completion.text,
        "ended": answer.completion.ended,
    }


def table(all_figures: Sequence[Figures]) -> str:
    """A Markdown table: one row a figure, one column a model, for each group of languages."""
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
