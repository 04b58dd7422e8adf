"""Usage is summed over the logs of several processes, and exported as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aix_lsp.serve.usage import UsageError, UsageLog, export, rows
from tests.test_files import circle, device, fifo, folder, terminal, unix_socket


def test_counts_of_several_logs_add_up(tmp_path: Path) -> None:
    path = tmp_path / "state" / "usage.sqlite"
    first, second = UsageLog(path), UsageLog(path)
    for log in (first, second):
        log.add("ann", requests=1, prompt_tokens=100, completion_tokens=5)
        log.flush()
    second.add("ann", requests=1, failed=1)
    second.add("bob", refused=2)
    first.close()
    second.close()
    found = rows(path)
    assert [(row["user"], row["requests"], row["prompt_tokens"], row["refused"]) for row in found] == [
        ("ann", 3, 200, 0),
        ("bob", 0, 0, 2),
    ]
    assert rows(path, user="bob") == found[1:] and rows(path, since="9999-01-01") == []
    assert json.loads(export(found, "json")) == found
    assert [row["user"] for row in csv.DictReader(io.StringIO(export(found, "csv")))] == ["ann", "bob"]


def test_counts_that_cannot_be_written_are_kept_for_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    log = UsageLog(path)
    path.unlink()
    path.mkdir()
    log.add("ann", requests=1)
    log.flush()
    path.rmdir()
    log.flush()
    assert rows(path)[0]["requests"] == 1
    log.close()


def test_a_file_that_is_not_a_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    path.write_text("no database, but longer than the hundred bytes of a header of one" * 9)
    with pytest.raises(UsageError, match="--usage"):
        UsageLog(path)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
@pytest.mark.parametrize("make", [fifo, device, terminal, folder, unix_socket, circle])
def test_anything_but_a_regular_file_is_named(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "usage.sqlite")
    with pytest.raises(UsageError, match="--usage"):
        UsageLog(tmp_path / "usage.sqlite")


def test_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(UsageError, match="newer"):
        UsageLog(path)
