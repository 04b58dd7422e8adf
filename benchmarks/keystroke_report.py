"""Reports what keystrokes cost, as lines of text: one run's figures, and their ratios to the baselines'."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.baselines.llama_server import BaselineAnswer
from benchmarks.stats import percentile
from tests.client.ghost import Keystroke


@dataclass(frozen=True)
class Stroke:
    """One keystroke. Times are in milliseconds; None if there was no text, or it was cancelled."""

    key: str
    first_ms: float | None
    line_ms: float | None
    final_ms: float | None
    source: str
    """"model", "reuse", "none" (no suggestion) or "cancelled"."""
    prompt_tokens: int
    reused_tokens: int
    text: str
    warm: bool = True
    """Whether the model was called before at this place: after a jump of the cursor, the first prompt is new."""

    @property
    def computed(self) -> int:
        return self.prompt_tokens - self.reused_tokens

    @classmethod
    def ours(cls, stroke: Keystroke) -> Stroke:
        data = stroke.data
        source = "cancelled" if stroke.error is not None else str(data.get("source", "none"))
        return cls(
            stroke.key,
            stroke.first_text_ms if stroke.error is None else None,
            stroke.first_line_ms,
            stroke.final_ms,
            source,
            data.get("promptTokens", 0),
            data.get("reusedTokens", 0),
            stroke.ghost,
        )

    @classmethod
    def baseline(cls, key: str, answer: BaselineAnswer) -> Stroke:
        source = "model" if answer.text else "none"
        tokens = answer.computed + answer.reused
        return cls(
            key, answer.first_ms, answer.line_ms, answer.final_ms, source, tokens, answer.reused, answer.text
        )


@dataclass
class Run:
    """All keystrokes with one server."""

    name: str
    strokes: list[Stroke] = field(default_factory=list)
    engine: dict[str, float] = field(default_factory=dict)
    """Changes of the engine's metrics; empty for a baseline."""

    def of(self, source: str) -> list[Stroke]:
        return [stroke for stroke in self.strokes if stroke.source == source]

    def add(self, strokes: Sequence[Stroke]) -> None:
        """Add the keystrokes typed at one place; those after the first that the model answered are warm."""
        asked = False
        for stroke in strokes:
            self.strokes.append(replace(stroke, warm=asked))
            asked = asked or stroke.source == "model"

    def times(self, name: str, *, model_only: bool = False) -> list[float]:
        strokes = self.of("model") if model_only else self.strokes
        return [value for stroke in strokes if (value := getattr(stroke, name)) is not None]

    def summary(self) -> dict[str, float]:
        """The figures of the run, by name."""
        model = self.of("model")
        warm = [stroke for stroke in model if stroke.warm]
        prompt = sum(stroke.prompt_tokens for stroke in warm)
        figures: dict[str, float] = {
            "keystrokes": len(self.strokes),
            **{source: len(self.of(source)) for source in ("model", "reuse", "none", "cancelled")},
            "jumps": len(model) - len(warm),
            "prompt_tokens": prompt,
            "computed_p50": percentile([stroke.computed for stroke in warm], 50),
            "computed_p95": percentile([stroke.computed for stroke in warm], 95),
            "reuse_share": 1 - sum(stroke.computed for stroke in warm) / prompt if prompt else math.nan,
            "generated_tokens": self.engine.get("aix_generated_tokens_total", math.nan),
            "wasted_tokens": self.engine.get("aix_wasted_tokens_total", math.nan),
            "tokens_after_cancel": self.engine.get("aix_tokens_after_cancel_total", math.nan),
        }
        for name in ("first", "line", "final"):
            for percent in (50, 95):
                figures[f"{name}_p{percent}"] = percentile(self.times(f"{name}_ms"), percent)
                figures[f"{name}_model_p{percent}"] = percentile(
                    self.times(f"{name}_ms", model_only=True), percent
                )
        return figures


def verbose_line(stroke: Stroke) -> str:
    times = "".join(cell(value) for value in (stroke.first_ms, stroke.line_ms, stroke.final_ms))
    tokens = f"{stroke.prompt_tokens:6d} {stroke.computed:5d}"
    return f"  {stroke.key!r:8} {times} ms {tokens} tokens  {stroke.source:9} {stroke.text[:40]!r}"


def cell(value: float | None) -> str:
    return f"{value:8.1f}" if value is not None else f"{'–':>8}"


def summarise(run: Run) -> list[str]:
    """One run, for people."""
    f = run.summary()
    rows = [
        f"{run.name}: {f['keystrokes']:.0f} keystrokes, {f['model']:.0f} answered by the model, "
        f"{f['reuse']:.0f} from reuse, {f['none']:.0f} without a suggestion, {f['cancelled']:.0f} cancelled",
        "                       all keystrokes        asked of the model",
        "                         p50      p95            p50      p95",
    ]
    for name, label in (("first", "first text"), ("line", "finished line"), ("final", "finished")):
        values = (f[f"{name}{kind}_p{percent}"] for kind in ("", "_model") for percent in (50, 95))
        p50, p95, model_p50, model_p95 = values
        rows.append(f"  {label:18} {p50:8.1f} {p95:8.1f}       {model_p50:8.1f} {model_p95:8.1f}  ms")
    rows.append(
        f"  prompt tokens computed, warm: p50 {f['computed_p50']:.0f}, p95 {f['computed_p95']:.0f}; "
        f"{f['reuse_share']:.1%} of {f['prompt_tokens']:.0f} reused ({f['jumps']:.0f} first ones left out)"
    )
    if run.engine:
        rows.append(
            f"  tokens generated {f['generated_tokens']:.0f}, of them for requests then cancelled "
            f"{f['wasted_tokens']:.0f}, after the cancel {f['tokens_after_cancel']:.0f}"
        )
    return rows


Figure = tuple[str, Callable[[Run], float]]

FIGURES: tuple[Figure, ...] = (
    ("first text, p50", lambda run: run.summary()["first_p50"]),
    ("first text, p95", lambda run: run.summary()["first_p95"]),
    ("first text, asked of the model, p50", lambda run: run.summary()["first_model_p50"]),
    ("first text, asked of the model, p95", lambda run: run.summary()["first_model_p95"]),
    ("finished line, p50", lambda run: run.summary()["line_p50"]),
    ("finished line, p95", lambda run: run.summary()["line_p95"]),
)


def compare(ours: Run, baselines: Sequence[Run]) -> list[str]:
    """Our times relative to each baseline's: below 1 is faster."""
    rows = [f"{'ours ÷ baseline':38}" + "".join(f"{baseline.name:>26}" for baseline in baselines)]
    for label, figure in FIGURES:
        ratios = (figure(ours) / figure(baseline) for baseline in baselines)
        rows.append(f"  {label:36}" + "".join(f"{ratio:26.2f}" for ratio in ratios))
    return rows
