"""The demo's figures as text: one line per suggestion, and a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.pane import Screen
from benchmarks.stats import percentile
from tests.client.ghost import Keystroke


@dataclass
class Outcome:
    """The result of one stretch."""

    strokes: list[Keystroke] = field(default_factory=list)
    typed: int = 0
    """Characters typed by hand."""
    accepted: int = 0
    """Characters accepted with Tab."""
    tabs: int = 0

    @property
    def suggested(self) -> list[Keystroke]:
        """The keystrokes that were answered with a suggestion."""
        return [stroke for stroke in self.strokes if stroke.item is not None]


def header(screen: Screen) -> str:
    """The headings of the columns that `figures` fills."""
    style = screen.style
    columns = f"{'first text':>11}{'all':>8}{'prompt':>9}{'computed':>10}{'reused':>8}"
    return f"{style.dim}{'':9}{'suggestion':{text_width(screen)}}{columns}{style.reset}"


def figures(stroke: Keystroke, label: str, text: str, screen: Screen) -> str:
    """One suggestion: the accepted text, when it came, and what its prompt cost."""
    style, data = screen.style, stroke.data
    width = text_width(screen)
    shown = text.strip().replace("\n", "⏎")
    shown = shown if len(shown) < width else shown[: width - 2] + "…"
    times = f"{stroke.first_text_ms:8.0f} ms{stroke.final_ms:5.0f} ms"
    return f"{style.green}{label:>7}{style.reset}  {shown:{width}}{times}{cost(data)}"


def cost(data: Mapping[str, Any]) -> str:
    """A suggestion's prompt, in tokens."""
    prompt, reused = data.get("promptTokens", 0), data.get("reusedTokens", 0)
    if data.get("source") == "reuse":
        return f"{'no model call needed':>27}"
    if not prompt:
        return f"{'still being written':>27}"
    return f"{prompt:9}{prompt - reused:10}{reused:8}"


def text_width(screen: Screen) -> int:
    return max(16, screen.width - 9 - 46)


def summary(outcomes: Sequence[Outcome], engine: Mapping[str, float], screen: Screen) -> list[str]:
    """A summary of all suggestions; `engine` are its metrics."""
    strokes = [stroke for outcome in outcomes for stroke in outcome.suggested]
    model = [stroke for stroke in strokes if stroke.data.get("source") == "model"]
    typed = sum(outcome.typed for outcome in outcomes)
    accepted = sum(outcome.accepted for outcome in outcomes)
    tabs = sum(outcome.tabs for outcome in outcomes)
    first = [stroke.first_text_ms for stroke in strokes if stroke.first_text_ms is not None]
    final = [stroke.final_ms for stroke in strokes if stroke.final_ms is not None]
    computed = total(engine, "aix_prompt_tokens_computed_total")
    reused = total(engine, "aix_prompt_tokens_reused_total")
    rows = [
        ("suggestions", f"{len(strokes)}: {len(model)} from the model, {len(strokes) - len(model)} reused"),
        ("accepted", f"{tabs} times: {accepted} of {typed + accepted} characters were not typed by hand"),
    ]
    if strokes:
        rows += [("first text", spread(first)), ("finished", spread(final))]
    if computed:
        share = f"{reused / (computed + reused):.1%} from the KV cache"
        rows.append(("prompts", f"{computed + reused:.0f} tokens, {share}, {computed:.0f} computed"))
    style = screen.style
    return [f"  {style.bold}{name:<12}{style.reset} {value}" for name, value in rows]


def total(metrics: Mapping[str, float], name: str) -> float:
    """A counter's sum over its labels."""
    return sum(value for key, value in metrics.items() if key.partition("{")[0] == name)


def spread(values: Sequence[float]) -> str:
    return f"p50 {percentile(values, 50):.0f} ms, p95 {percentile(values, 95):.0f} ms"
