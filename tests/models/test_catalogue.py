"""The catalogue is consistent with itself and the engine, and memory and time are estimated as documented."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aix_lsp.commands.models import command
from aix_lsp.fim.templates import detect, known
from aix_lsp.models import fit
from aix_lsp.models.catalogue import Entry, entries, find
from aix_lsp.models.fit import Speed
from tests.engine.families import FAMILIES


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "aix"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_each_entry_runs_here(entry: Entry) -> None:
    """The engine is tested with its architecture, and its name leads to its family."""
    assert entry.architecture in FAMILIES or entry.architecture in {case[0] for case in FAMILIES.values()}
    assert entry.family in known()
    template = detect((), entry.name)
    assert template is not None and template.name == entry.family
    assert 0.4 <= entry.source().gb / entry.billions <= 4.2, "bytes a weight"
    assert entry.active <= entry.billions and entry.context >= 2048


def test_names_are_found_whatever_their_case() -> None:
    assert len({entry.name for entry in entries()}) == len(entries())
    found = find("Qwen2.5-Coder-0.5B")
    assert found is not None and found.source("safetensors").repository == "Qwen/Qwen2.5-Coder-0.5B"
    assert find("qwen") is None


def test_times_follow_from_measured_kernel_times() -> None:
    entry = find("qwen2.5-coder-1.5b")
    assert entry is not None
    speed = Speed(1_540_000, {1: 0.001, 4: 0.002, 128: 0.016})
    found = fit.fit(entry, None, speed)
    assert found.key_ms == pytest.approx(1000 * (2 + 1))
    assert found.cold_ms == pytest.approx(1000 * (16 * 300 / 128 + 1))
    assert found.fits is None
    assert fit.fit(entry, 2 * 10**9, None).fits is False
    assert fit.fit(entry, 16 * 10**9, None) == fit.Fit(found.loading_gb, found.running_gb, True, None, None)


def test_a_mixture_of_experts_is_as_fast_as_its_active_weights() -> None:
    entry = find("qwen3-coder-30b-a3b")
    assert entry is not None
    speed = Speed(3_300_000, {1: 0.001})
    assert fit.fit(entry, None, speed).key_ms == pytest.approx(1000 * (4 + 1))


def test_measurements_of_the_largest_model_are_kept(home: Path) -> None:
    assert fit.remembered() is None
    fit.remember(Speed(1000, {1: 1.0}))
    fit.remember(Speed(2000, {1: 3.0, 128: 4.0}))
    fit.remember(Speed(500, {1: 9.0}))
    assert fit.remembered() == Speed(2000, {1: 3.0, 128: 4.0})
    for damaged in ("{", "[]", '{"machine": [], "weights": 1, "seconds": {"1": 1}}'):
        (home / "aix" / "cache" / "speed.json").write_text(damaged)
        assert fit.remembered() is None


def test_a_measurement_on_another_cpu_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A home folder may be shared, or move to another computer with as many cores."""
    fit.remember(Speed(1000, {1: 1.0}))
    monkeypatch.setattr("aix_lsp.models.fit.cpu_name", lambda: "another CPU")
    assert fit.remembered() is None


def test_the_listing_says_what_fits(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aix_lsp.models.listing.available_bytes", lambda: 8 * 10**9)
    shown = CliRunner().invoke(command, [], catch_exceptions=False).output
    assert "once a model has been loaded here" in shown
    fit.remember(Speed(24_000_000, {1: 0.0005, 4: 0.0006, 128: 0.004}))
    shown = CliRunner().invoke(command, [], catch_exceptions=False).output
    lines = {line.split()[0]: line for line in shown.splitlines() if line.startswith("  ")}
    assert "first text in about 22 ms, 200 ms after a jump" in lines["qwen2.5-coder-0.5b"]
    assert "too large: needs 30.0 GB of free memory" in lines["qwen2.5-coder-14b"]
    assert "no production use" in lines["codestral-22b"]
    told = json.loads(CliRunner().invoke(command, ["--json"], catch_exceptions=False).output)
    fits = {one["name"]: one["fits"] for one in told["catalogue"]}
    assert fits["qwen2.5-coder-1.5b"] and not fits["qwen2.5-coder-14b"]
