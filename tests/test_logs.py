"""Logs stay bounded, and failures to log do not disturb the program."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path

import pytest

from aix_lsp import logs


def is_harmless(text: str) -> bool:
    """Whether a text is one line, without terminal escapes, and can be encoded."""
    return not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]", text)


@pytest.mark.parametrize("orders", ["\x1b]0;x\x07", "\x1b[2J", "\x9b2J", "\r", "\x08", "\0", "\ud800", "\n"])
def test_untrusted_text_is_shown_and_does_nothing(orders: str, tmp_path: Path) -> None:
    assert logs.printable(f"é {orders} 👩‍💻") != f"é {orders} 👩‍💻"
    assert is_harmless(logs.printable(orders))
    assert logs.printable("é\t👩‍💻\n", keep="\n\t") == "é\t👩‍💻\n"
    logs.configure("info", tmp_path / "log")
    logging.getLogger("aix_lsp.some").info("%s", orders)
    assert is_harmless((tmp_path / "log").read_text("utf-8").replace("\n", ""))


def test_a_log_file_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_LARGEST", 10_000)
    logs.configure("info", tmp_path / "deep" / "aix.log")
    for number in range(2_000):
        logging.getLogger("aix_lsp.some").info("line %d", number)
    files = list((tmp_path / "deep").iterdir())
    assert sum(file.stat().st_size for file in files) <= 30_000
    assert "line 1999" in (tmp_path / "deep" / "aix.log").read_text()


def test_a_log_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", tmp_path)
    logging.getLogger("aix_lsp.some").info("still told")
    told = capsys.readouterr()
    assert "--log-file" in told.err
    assert "still told" in told.err
    assert told.out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_a_pipe_that_nobody_reads_does_not_block(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "log")
    logs.configure("info", tmp_path / "log")
    logging.getLogger("aix_lsp.some").info("still told")
    told = capsys.readouterr().err
    assert "--log-file" in told and "still told" in told


def test_levels(tmp_path: Path) -> None:
    logs.configure("warning", tmp_path / "log")
    some, noisy = logging.getLogger("aix_lsp.some"), logging.getLogger("asyncio")
    some.info("one")
    logs.set_level("debug")
    some.debug("two")
    noisy.debug("three")
    text = (tmp_path / "log").read_text()
    assert ["one" in text, "two" in text, "three" in text] == [False, True, False]


def test_errors_reach_the_starter_as_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", tmp_path / "log")
    logs.add_errors_on_stderr()
    logging.getLogger("aix_lsp.some").info("quiet")
    logging.getLogger("aix_lsp.some").error("no such model")
    assert capsys.readouterr().err == "no such model\n"


def test_a_closed_standard_error_is_survived(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as gone:
        monkeypatch.setattr(sys, "stderr", gone)
        logs.configure("info")
    [handler] = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler) and handler.stream is gone
    logging.getLogger("aix_lsp.some").error("to nobody")
    assert not logging.raiseExceptions  # keeps logging from printing a traceback
