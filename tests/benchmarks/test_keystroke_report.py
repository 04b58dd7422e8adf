"""The report counts requests and tokens as warm, reused and computed."""

from __future__ import annotations

from benchmarks.keystroke_report import Run, Stroke, compare, summarise


def stroke(source: str, ms: float | None = 1.0, prompt: int = 0, reused: int = 0) -> Stroke:
    return Stroke("x", ms, ms, ms, source, prompt, reused, "text")


def test_the_first_prompt_at_a_position_is_not_warm() -> None:
    run = Run("ours")
    for _ in range(2):
        run.add([stroke("reuse"), stroke("model", prompt=900), stroke("model", prompt=901, reused=899)])
    figures = run.summary()
    assert figures["jumps"] == 2
    assert figures["computed_p95"] == 2
    assert figures["reuse_share"] == 1798 / 1802


def test_ratios_are_ours_over_the_peer_s() -> None:
    ours, baseline = Run("ours"), Run("baseline")
    ours.add([stroke("model", 2.0), stroke("model", 2.0)])
    baseline.add([stroke("model", 8.0), stroke("model", 8.0)])
    assert any(row.split()[-1] == "0.25" for row in compare(ours, [baseline]))


def test_an_empty_run_still_has_a_report() -> None:
    run = Run("ours")
    run.add([stroke("none", None), stroke("cancelled", None)])
    assert "0 answered by the model" in summarise(run)[0]
