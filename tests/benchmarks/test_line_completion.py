"""The benchmarks that have a model complete lines run to the end, and what must help the tests' model does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import prompts, windows
from benchmarks.replay.corpus import SourceFile
from tests.models import SMALL

LINES = [
    f"def quibble_{number}(wobble):\n    return flimsy_{number}(wobble, {number})\n" for number in range(40)
]


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    """Two files with the same lines."""
    made = tmp_path / "package-1.0"
    made.mkdir()
    for name in ("first.py", "second.py"):
        (made / name).write_text("".join(LINES))
    return made


def outcomes(file: Path, form: str) -> list[dict[str, Any]]:
    return [
        each for line in file.read_text().splitlines() for each in json.loads(line) if each["form"] == form
    ]


def test_recall_finds_what_another_file_has(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [SourceFile(folder, path.name, "python") for path in folder.iterdir()]
    monkeypatch.setattr("benchmarks.windows.chosen", lambda *_: files)
    written = tmp_path / "outcomes"
    windows.main(
        [str(SMALL), "--cursors", "3", "--prefix", "300", "--weights", "0", "0.5", "--json", str(written)]
    )
    alone, recalled = (outcomes(written, f"300 characters{more}") for more in ("", ", recall 0.5"))
    assert len(alone) == len(recalled) == 3
    assert sum(one["nats"] for one in recalled) < sum(one["nats"] for one in alone)
    assert len(capsys.readouterr().out.splitlines()) == 2 + 2


def test_each_form_of_a_prompt_is_measured_at_each_cursor(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "outcomes"
    healed = "line's head, healed"
    prompts.main([str(SMALL), str(folder), "--cursors", "2", "--forms", healed, "--json", str(written)])
    told = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0] for row in told[2:]] == ["| plain", f"| {healed}"]
    assert len(outcomes(written, healed)) == len(outcomes(written, "plain")) == 2
