"""Settings, ignore and state files crafted to block or crash the program, or to exhaust its memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp import statistics
from aix_lsp.settings import Settings, project_layer, resolve
from aix_lsp.settings.files import PROJECT_FILE, parse_toml
from aix_lsp.settings.names import options
from tests.client.editor import Editor
from tests.test_files import HOSTILE

HOSTILE_TOML = {
    "brackets": "a = " + "[" * 100_000,
    "closed brackets": "a = " + "[" * 100_000 + "]" * 100_000,
    "braces": "a = " + "{a=" * 60_000,
    "headers": "[" * 100_000,
    "a number of 400 digits": "maxTokens = " + "9" * 400,
    "a number of 5,000 digits": "maxTokens = " + "9" * 5_000,
    "a hexadecimal number": "maxTokens = 0x" + "f" * 100_000,
    "a dotted key": "a." * 100_000 + "b = 1",
    "a dotted header": "[" + "a." * 100_000 + "b]",
    "a quoted dotted key": '"a".' * 50_000 + "b = 1",
    "dots with blanks": "a \t. " * 40_000 + "b = 1",
    "an inline dotted key": "x = {" + "a." * 100_000 + "b = 1}",
    "large": "# " + "x" * (1 << 20),
    "zero bytes": "\0" * 1000,
    "an open string": 'a = "' + "x" * 100_000,
    "many unknown names": "".join(f"name{i} = 1\n" for i in range(20_000)),
    "many languages": "".join(f"[languages.x{i}]\nmaxTokens = 1\n" for i in range(8_000)),
    "many unknown names of languages": "".join(f"[languages.x{i}]\nfoo{i} = 1\n" for i in range(8_000)),
    "many patterns": "exclude = [" + '"a",' * 60_000 + "]",
    "a long pattern": 'exclude = ["' + "*a" * 100_000 + '"]',
    "a float": "temperature = 1e300",
    "infinity": "temperature = inf",
    "a date": "maxTokens = 1979-05-27",
}


@pytest.mark.parametrize("text", HOSTILE_TOML.values(), ids=HOSTILE_TOML.keys())
def test_a_hostile_settings_file_is_reported_in_a_few_lines_and_changes_nothing(
    text: str, tmp_path: Path
) -> None:
    (tmp_path / PROJECT_FILE).write_text(text)
    settings, problems = resolve([project_layer(tmp_path)])
    assert {
        name for name, o in options().items() if getattr(settings, o.name) != getattr(Settings(), o.name)
    } <= {"languages"}
    assert len(settings.languages) <= 300
    assert 0 < len(problems) <= 21
    assert all(len(str(problem)) < 1000 for problem in problems)


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_settings_file_that_is_not_a_regular_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / PROJECT_FILE)
    settings, problems = resolve([project_layer(tmp_path)])
    assert settings == Settings()
    assert len(problems) <= 1


_PIECES = st.sampled_from(
    [
        "[",
        "]",
        "{",
        "}",
        "=",
        ".",
        ",",
        '"',
        "'",
        '"""',
        "'''",
        "\n",
        "#",
        "a",
        "b",
        "1",
        "-",
        "0x",
        "1e9",
        "inf",
        "\\",
        " ",
    ]
)


@given(st.lists(_PIECES, max_size=60).map("".join))
def test_whatever_a_file_holds_is_toml_or_a_value_error(text: str) -> None:
    try:
        assert isinstance(parse_toml(text), dict)
    except ValueError:
        pass


HOSTILE_STATE = {
    "deep": "[" * 100_000,
    "deep objects": '{"2026-01-01": ' * 50_000,
    "digits": '{"2026-01-01": {"requests": ' + "9" * 5_000 + "}}",
    "large": "x" * (64 << 20),
    "no object": "[1, 2]",
    "infinite": '{"2026-01-01": {"requests": Infinity, "shown": NaN, "accepted": 1e999}}',
    "half": '{"2026-01-01": {"req',
}


@pytest.mark.parametrize("text", HOSTILE_STATE.values(), ids=HOSTILE_STATE.keys())
def test_statistics_that_are_damaged(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    statistics.file().write_text(text)
    assert sum(statistics.total().values()) == 0
    statistics.add({"requests": 2})
    assert statistics.total()["requests"] == 2


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_statistics_that_are_not_a_regular_file(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    make(statistics.file())
    assert statistics.total() == {}
    statistics.add({"requests": 2})
    assert statistics.total().get("requests", 2) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
async def test_the_server_answers_and_exits_whatever_lies_in_the_workspace(
    make: Callable[[Path], None], tmp_path: Path, fresh_home: Path
) -> None:
    """The same hostile file in place of settings, ignore files, and sources beside the document."""
    workspace = tmp_path / "w"
    (workspace / "src").mkdir(parents=True)
    for name in (PROJECT_FILE, ".gitignore", "src/.gitignore", ".aixignore", "src/beside.py", "beside.py"):
        make(workspace / name)
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize(root=workspace, options={"url": "http://127.0.0.1:9", "deadlineMs": 2_000})
        buffer = editor.open(workspace / "src" / "main.py", "import beside\n\nvalue = ")
        await editor.inline(buffer, "invoked").result(60)
        assert await editor.shutdown() == 0
