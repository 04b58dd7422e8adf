"""The demo's figures as text: one line a suggestion, and what all of them come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.ghost import Keystroke
from benchmarks.pane import Screen
from benchmarks.stats import percentile


@dataclass
class Outcome:
    """What one stretch brought."""

    strokes: list[Keystroke] = field(default_factory=list)
    typed: int = 0
    """Characters that were typed by hand."""
    accepted: int = 0
    """Characters that came by Tab."""
    tabs: int = 0

    @property
    def suggested(self) -> list[Keystroke]:
        """The keystrokes that were answered with a suggestion."""
        return [stroke for stroke in self.strokes if stroke.item is not None]


def figures(stroke: Keystroke, label: str, screen: Screen) -> str:
    """One suggestion: how it went, when its text came, and what it cost."""
    style, data = screen.style, stroke.data
    prompt, reused = data.get("promptTokens", 0), data.get("reusedTokens", 0)
    if data.get("source") == "reuse":
        cost = "reused, the model was not asked"
    else:
        cost = f"prompt {prompt} tokens, {prompt - reused} computed, {reused} from the KV cache"
    times = f"first text {stroke.first_text_ms:.0f} ms · all {stroke.final_ms:.0f} ms"
    mark = f"{style.green}{label:>7}{style.reset}" if label == "Tab" else f"{label:>7}"
    return f"{mark}  {times} · {style.dim}{cost}{style.reset}"


def summary(outcomes: Sequence[Outcome], screen: Screen) -> list[str]:
    """What all suggestions come to."""
    strokes = [stroke for outcome in outcomes for stroke in outcome.suggested]
    model = [stroke for stroke in strokes if stroke.data.get("source") == "model"]
    typed = sum(outcome.typed for outcome in outcomes)
    accepted = sum(outcome.accepted for outcome in outcomes)
    tabs = sum(outcome.tabs for outcome in outcomes)
    first = [stroke.first_text_ms for stroke in strokes if stroke.first_text_ms is not None]
    final = [stroke.final_ms for stroke in strokes if stroke.final_ms is not None]
    prompt = sum(stroke.data.get("promptTokens", 0) for stroke in model)
    reused = sum(stroke.data.get("reusedTokens", 0) for stroke in model)
    rows = [
        ("suggestions", f"{len(strokes)}: {len(model)} from the model, {len(strokes) - len(model)} reused"),
        ("accepted", f"{tabs} with Tab: {accepted} of {typed + accepted} characters were not typed"),
    ]
    if strokes:
        rows.append(("first text", spread(first)))
        rows.append(("finished", spread(final)))
    if prompt:
        share = f"{reused / prompt:.1%} from the KV cache"
        rows.append(("prompts", f"{prompt} tokens, {share}, {prompt - reused} computed"))
    style = screen.style
    return [f"  {style.bold}{name:<12}{style.reset} {value}" for name, value in rows]


def spread(values: Sequence[float]) -> str:
    return f"p50 {percentile(values, 50):.0f} ms, p95 {percentile(values, 95):.0f} ms"
