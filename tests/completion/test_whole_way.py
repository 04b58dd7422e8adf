"""From a model's output through all filters to the editor: text that the filters together must not remove."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import aix_lsp
from aix_lsp.completion.service import CompletionService
from aix_lsp.settings import Settings
from tests.completion.scripted import Editor, ScriptedBackend, turns, under_way


async def given(editor: Editor, backend: ScriptedBackend, written: str, reason: str) -> tuple[str, int]:
    """The text that the editor gets when the model writes `written`, and how much right of the cursor it replaces."""
    answer, call = await under_way(editor, backend)
    for char in written:
        call.write(char)
    call.end(reason)
    suggestions = (await answer)[-1].suggestions
    return (suggestions[0].text, suggestions[0].replace_right) if suggestions else ("", 0)


@pytest.mark.parametrize(
    ("source", "answer", "language"),
    [
        ("x = f(a|\n", ")", "python"),
        ("x = [1|\n", "]", "python"),
        ("x = {1|\n", "}", "python"),
        ("if x|\n    pass\n", ":", "python"),
        ("x = 'a|\n", "'", "python"),
        ("x = |\n", "1", "python"),
        ("x = |\n", "y", "python"),
        ("i|\n", "f", "python"),
        ("r|\n", "e", "python"),
        ("x = f(a|)\n", ",", "python"),
        ("x = f(|, b)\n", "a", "python"),
        ("x = 1|\ny = 2;\n", ";", "javascript"),
        ("if (a) {\n  b();\n|\nc();\n", "}", "javascript"),
        ("x = a |\n", "+", "python"),
        ("x = a.|\n", "b", "python"),
        ("# one|\n", ".", "python"),
    ],
)
async def test_a_single_character_is_a_valid_suggestion(
    service: CompletionService, backend: ScriptedBackend, source: str, answer: str, language: str
) -> None:
    editor = Editor.at(service, source, language=language)
    assert await given(editor, backend, answer, "length") == (answer, 0)


@pytest.mark.parametrize(
    ("source", "answer", "language"),
    [
        ('x = "|\n', 'a) b] c} }, ) d"', "python"),
        ('x = "|\n', "a  b   c    d  ", "python"),
        ('x = "|\n', "// a: {", "python"),
        ("x = f('|')\n", "[(", "python"),
        ("x = '|'\n", ")]}", "python"),
        ('x = """|\n"""\n', "a ) b", "python"),
        ("const s = `|`;\n", "a} ${b} )", "javascript"),
        ('x = "|\n', "a\\tb\\n", "python"),
    ],
)
async def test_code_in_strings_is_left_alone(
    service: CompletionService, backend: ScriptedBackend, source: str, answer: str, language: str
) -> None:
    editor = Editor.at(service, source, language=language)
    text, replaced = await given(editor, backend, answer, "stop")
    assert (text, replaced) == (answer.rstrip(), 0)


async def test_a_keystroke_passes_the_files_that_the_architecture_page_names(
    backend: ScriptedBackend,
) -> None:
    package = Path(aix_lsp.__file__).parent
    page = (package.parent / "docs" / "architecture.md").read_text("utf-8")
    [told] = re.findall(r"^A keystroke runs code in .*?\n\n", page, re.DOTALL | re.MULTILINE)
    passed = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(package / "completion"):
            passed.add(file.relative_to(package / "completion").with_suffix("").as_posix())

    service = CompletionService(backend, lambda language: Settings(deadline_ms=60_000))
    editor = Editor.at(service, "def nowhere_else(a):\n    |\n")  # some answers are cached
    await turns()
    sys.setprofile(note)
    try:
        editor.type("r")
        answer, call = await under_way(editor, backend, "eturn")
        call.write(" a")
        call.end()
        await answer
        await turns()
    finally:
        sys.setprofile(None)
        await service.close()
    assert passed == set(re.findall(r"`([\w/]+)`", told))
    assert f" {len(passed)} of these files" in told
