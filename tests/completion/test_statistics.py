"""Statistics: what counts once, what the figures say, and many processes on one file."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from aix_lsp.completion.document import Position, Text
from aix_lsp.completion.figures import figures
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.statistics import Statistics, summary
from aix_lsp.completion.suggestion import Suggestion
from aix_lsp.completion.survival import survived
from aix_lsp.completion.tally import KEEP_DAYS, Key, Tally
from aix_lsp.settings import Settings
from tests.completion.scripted import Editor, ScriptedBackend


def suggestion(id: str, text: str = "foo(a, b)", first: float = 42.0, total: float = 90.0) -> Suggestion:
    return Suggestion(id, text, first_text_ms=first, total_ms=total)


def test_each_event_counts_once_a_suggestion() -> None:
    statistics = Statistics()
    for _ in range(3):
        statistics.answered("python", [suggestion("a")], "generated")
        statistics.feedback("a", "shown", 0)
    statistics.feedback("a", "accepted", 0)
    statistics.feedback("a", "accepted", 0)
    statistics.feedback("a", "rejected", 0)
    told = statistics.session()
    assert (told["asks"], told["shown"], told["accepted"], told["rejected"]) == (3, 1, 1, 0)
    assert (told["accepted_chars"], told["acceptance"]) == (9, 1.0)


def test_a_suggestion_accepted_word_by_word() -> None:
    statistics = Statistics()
    statistics.answered("python", [suggestion("a")], "generated")
    statistics.feedback("a", "partly", 4)
    statistics.feedback("a", "partly", 3)
    statistics.feedback("a", "accepted", 0)
    told = statistics.session()
    assert (told["shown"], told["partly_accepted"], told["accepted"], told["accepted_chars"]) == (1, 1, 0, 9)


@pytest.mark.parametrize(("id", "event"), [("unknown", "accepted"), ("a", "devoured"), ("a", "")])
def test_what_makes_no_sense_is_ignored(id: str, event: str) -> None:
    statistics = Statistics()
    statistics.answered("python", [suggestion("a")], "generated")
    before = statistics.session()
    statistics.feedback(id, event, 5)
    assert statistics.session() == before


def test_figures_of_nothing() -> None:
    told = figures(Counter())
    assert (told["asks"], told["acceptance"], told["first_text_ms"]) == (0, None, None)


def test_times_are_told_as_the_end_of_their_bucket() -> None:
    statistics = Statistics()
    for number in range(100):
        statistics.answered("python", [suggestion(str(number), first=float(number), total=3000)], "reused")
    told = statistics.session()
    assert told["first_text_ms"] == {"p50": 50.0, "p95": 100.0}
    assert told["total_ms"] == {"p50": 5000.0, "p95": 5000.0}


async def test_figures_of_all_sessions_add_up(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "statistics.sqlite3"
    for language in ("python", "go", "go"):
        statistics = Statistics(lambda: file)
        statistics.answered(language, [suggestion("a")], "generated")
        statistics.feedback("a", "shown", 0)
        await statistics.close()
    told = summary(path=file)
    assert (told["shown"], told["languages"]["go"]["shown"], told["languages"]["python"]["shown"]) == (
        3,
        2,
        1,
    )


async def test_a_file_that_cannot_be_written_loses_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    file = blocked / "statistics.sqlite3"
    statistics = Statistics(lambda: file)
    statistics.answered("python", [suggestion("a")], "generated")
    await statistics.flush()
    blocked.unlink()
    await statistics.close()
    assert summary(path=file)["asks"] == 1


def test_a_broken_file_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "statistics.sqlite3"
    file.write_bytes(b"this is no database" * 100)
    Tally(file).add({Key("python", "asks"): 1})
    assert Tally(file).sums(date.today()) == {Key("python", "asks"): 1}
    assert file.with_suffix(".broken").exists()


def test_old_days_are_forgotten(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "t")
    old = date.today() - timedelta(days=KEEP_DAYS + 1)
    tally.add({Key("python", "asks"): 5}, today=old)
    tally.add({Key("python", "asks"): 1})
    assert tally.sums(old) == {Key("python", "asks"): 1}


def test_many_processes_share_a_file(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from aix_lsp.completion.tally import Key, Tally\n"
        "tally = Tally(Path(sys.argv[1]))\n"
        "for _ in range(25): tally.add({Key('python', 'asks'): 1, Key('', 'shown'): 2})\n"
    )
    file = tmp_path / "t"
    started = [subprocess.Popen([sys.executable, "-c", program, str(file)]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4
    assert Tally(file).sums(date.today()) == {Key("python", "asks"): 100, Key("", "shown"): 200}


@pytest.mark.parametrize(
    ("inserted", "text", "expected"),
    [
        ("foo(a)\n    return b", "x = foo(a)\n    return b\n", (14, 14)),
        ("foo(a)\n    return b", "x = foo(a)\n    return c\n", (14, 6)),
        ("foo(a)", "", (6, 0)),
    ],
)
def test_what_survived(inserted: str, text: str, expected: tuple[int, int]) -> None:
    assert survived(inserted, Text.of(text), 0) == expected


async def test_the_service_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    backend = ScriptedBackend()
    service = CompletionService(backend, lambda language: Settings(deadline_ms=60_000))
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch()
    call = await backend.called()
    call.write("foo()")
    call.end()
    given = (await answer)[-1].suggestions[0]
    editor.type("f")
    again = (await editor.watch())[-1].suggestions[0]
    assert again.id == given.id
    service.feedback(given.id, "shown")
    service.feedback(given.id, "accepted")
    editor.type("oo()")
    editor.edit(Position(0, 4), Position(0, 7), "bar")
    service.document_closed(editor.uri)
    told = service.statistics()
    assert (told["asks"], told["generations"], told["reused"], told["shown"]) == (2, 1, 1, 1)
    assert told["accepted_chars"] == 4
    assert told["kept_share"] == 0.0
    await service.close()
    saved = await asyncio.to_thread(summary)
    assert saved["asks"] == 2
