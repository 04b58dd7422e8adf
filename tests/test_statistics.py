"""Counts are summed by day and across processes, and survive a damaged file."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

import aix_lsp
from aix_lsp import statistics


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    return tmp_path


def test_counts_add_up() -> None:
    statistics.add({"shown": 2, "accepted": 1})
    statistics.add({"shown": 3})
    statistics.add({})
    assert statistics.total() == {"shown": 5, "accepted": 1}
    assert list(statistics.read()) == [date.today().isoformat()]
    statistics.clear()
    assert statistics.total() == {}


def test_processes_do_not_lose_each_others_counts() -> None:
    code = "from aix_lsp import statistics\nfor _ in range(20): statistics.add({'shown': 1})"
    root = Path(aix_lsp.__file__).parent.parent
    running = [subprocess.Popen([sys.executable, "-c", code], cwd=root) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert statistics.total() == {"shown": 60}


def test_only_the_last_days_are_summed() -> None:
    old = (date.today() - timedelta(days=7)).isoformat()
    statistics.file().write_text(f'{{"{old}": {{"shown": 4}}}}')
    statistics.add({"shown": 1})
    assert [statistics.total(days)["shown"] for days in (1, 7, 8, None)] == [1, 1, 5, 5]


def test_languages_are_counted_apart() -> None:
    for language, count in (("Python", 2), ("c++", 5), ("python", 1)):
        name = statistics.name_in(language, "requests")
        assert name is not None
        statistics.add({name: count, "requests": count})
    told = statistics.by_language(statistics.total())
    assert list(told.items()) == [("c++", {"requests": 5}), ("python", {"requests": 3})]
    assert [statistics.name_in(odd, "shown") for odd in ("", "a b", "x" * 41, "a:b", "/home/me")] == [
        None
    ] * 5


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"2026-01-01": 3}', '{"2026-01-01": {"shown": "x"}}', "\x00"]
)
def test_a_damaged_file_counts_as_empty(content: str) -> None:
    statistics.file().write_text(content)
    assert statistics.total() == {}
    statistics.add({"shown": 1})
    assert statistics.total() == {"shown": 1}


def test_a_file_that_cannot_be_written_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    statistics.file().with_suffix(".lock").mkdir()
    statistics.add({"shown": 1})
    assert "statistics could not be saved" in caplog.text


@pytest.mark.parametrize(
    ("times", "share", "bound"),
    [
        ([], 0.5, None),
        ([1, 30, 70], 0.5, 50),
        ([1, 30, 70], 0.95, 100),
        ([9000], 0.5, float("inf")),
        ([20], 1, 20),
    ],
)
def test_quantiles(times: list[float], share: float, bound: float | None) -> None:
    counts: dict[str, float] = {}
    for time in times:
        name = statistics.latency_name(time)
        counts[name] = counts.get(name, 0) + 1
    assert statistics.quantile(counts, share) == bound
