"""The texts around a window: all of the document except the window, and the nearby files that may be sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from aix_lsp.backends.base import BackendStatus, CorpusText, ModelInfo
from aix_lsp.completion.context import neighbours
from aix_lsp.completion.context.neighbours import Neighbours
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.text import DocumentSnapshot, Text
from aix_lsp.fim.window import Window, WindowLimits, next_window
from aix_lsp.settings import Settings
from tests.completion.scripted import Editor, ScriptedBackend

LINES = [f"line_{number} = {number}\n" for number in range(400)]
LIMITS = WindowLimits(prefix_lines=40, suffix_lines=10)
SETTINGS = Settings()


class Workspace:
    """A folder with files, and the neighbours of one document in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 0.0
        self.neighbours = Neighbours(lambda uri: (root, "pkg/a.py"), lambda: self.now)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def request(self, document: DocumentSnapshot, line: int) -> tuple[list[str], Window]:
        cursor = (line, 0)
        window = next_window(None, document.text, cursor, LIMITS)
        return self._texts(self.neighbours.texts(document, window, cursor, SETTINGS)), window

    async def read(self, document: DocumentSnapshot, line: int = 200) -> list[str]:
        """The texts once all files have been read."""
        self.request(document, line)
        reading = self.neighbours._states[document.uri].reading
        if reading is not None:
            await reading
        return self.request(document, line)[0]

    def _texts(self, found: tuple[CorpusText, ...]) -> list[str]:
        assert all(text == CorpusText.of(text.text) for text in found)
        return [text.text for text in found]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


def document(root: Path, text: str = "".join(LINES)) -> DocumentSnapshot:
    return DocumentSnapshot((root / "pkg/a.py").as_uri(), 1, "python", "pkg/a.py", Text.of(text))


async def test_the_rest_of_the_document_without_the_window(workspace: Workspace) -> None:
    edited = document(workspace.root)
    assert workspace.request(edited, 200)[0] == []
    before, after = await workspace.read(edited)
    window = workspace.request(edited, 200)[1]
    inside = window.prefix + window.middle + window.suffix
    assert before == "".join(LINES[: window.left[0]]) and after.endswith(LINES[-1])
    assert not [line for line in LINES if line in inside and (line in before or line in after)]
    assert LINES[200] not in before + after


async def test_text_that_enters_the_window_leaves_the_corpus(workspace: Workspace) -> None:
    edited = document(workspace.root)
    assert any(LINES[20] in text for text in await workspace.read(edited, 300))
    assert workspace.request(edited, 20)[0] == []
    assert not any(LINES[20] in text for text in await workspace.read(edited, 20))


async def test_the_nearest_files_come_first(workspace: Workspace) -> None:
    for path in (
        "top.py",
        "pkg/b.py",
        "pkg/sub/c.py",
        "other/d.py",
        "pkg/a.py",
        "pkg/e.ts",
        "node_modules/f.py",
    ):
        workspace.write(path, f"# {path}\n")
    assert await workspace.read(document(workspace.root, ""), 0) == [
        f"# {path}\n" for path in ("pkg/b.py", "pkg/sub/c.py", "top.py", "other/d.py")
    ]


async def test_as_much_as_fits_is_read(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_CHARS", 25)
    for name in "bcdef":
        workspace.write(f"pkg/{name}.py", "x" * 10)
    assert len(await workspace.read(document(workspace.root, ""), 0)) == 3


async def test_text_that_must_not_enter_a_prompt_is_left_out(workspace: Workspace) -> None:
    workspace.write("pkg/b.py", 'token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"\n')
    workspace.write("pkg/ignored.py", "x = 1\n")
    workspace.write(".gitignore", "ignored.py\n")
    workspace.write("pkg/binary.py", "a\0b")
    (workspace.root / "pkg/link.py").symlink_to(workspace.root / "pkg/ignored.py")
    (only,) = await workspace.read(document(workspace.root, ""), 0)
    assert only.startswith("token = ") and "abcdefghij" not in only
    uri = document(workspace.root).uri
    assert workspace.neighbours.placeholders(uri) == (only.partition("ghp_")[2][:36],)


async def test_placeholders_for_another_files_secrets_are_not_suggested(workspace: Workspace) -> None:
    workspace.write("b.py", 'token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"\n')
    backend = ScriptedBackend()
    backend.status = BackendStatus("ready", model=ModelInfo("scripted", recall=True))
    service = CompletionService(
        backend, lambda language: Settings(prefetch="never"), lambda: [workspace.root]
    )
    editor = Editor.at(service, "y = |\n", uri=(workspace.root / "a.py").as_uri())
    editor.watch(editor.request("invoked"))
    call = await backend.called_later()
    reading = service._context_provider._neighbours._states[editor.uri].reading
    assert reading is not None
    await reading
    call.end()
    editor.type("token = ")
    answer = editor.watch(editor.request("invoked"))
    call = await backend.called_later()
    call.write(call.request.corpus[0].text.partition("token = ")[2])
    call.end()
    assert (await answer)[-1].suggestions[0].text == '"ghp_'
    await service.close()


async def test_files_are_read_again_after_a_while(workspace: Workspace) -> None:
    workspace.write("pkg/b.py", "old = 1\n")
    edited = document(workspace.root, "")
    assert await workspace.read(edited, 0) == ["old = 1\n"]
    workspace.write("pkg/b.py", "newer = 1\n")
    assert await workspace.read(edited, 0) == ["old = 1\n"]
    workspace.now += 31
    assert await workspace.read(edited, 0) == ["newer = 1\n"]


async def test_a_closed_document_is_forgotten(workspace: Workspace) -> None:
    workspace.write("pkg/b.py", "x = 1\n")
    edited = document(workspace.root)
    workspace.request(edited, 200)
    await workspace.neighbours.close()
    assert workspace.request(edited, 200)[0] == []
    await workspace.neighbours.close()


@pytest.mark.parametrize(("recall", "wanted"), [(True, True), (True, False), (False, True)])
async def test_requests_name_the_texts_where_the_engine_uses_them(
    workspace: Workspace, recall: bool, wanted: bool
) -> None:
    workspace.write("b.py", "x = 1\n")
    backend = ScriptedBackend()
    backend.status = BackendStatus("ready", model=ModelInfo("scripted", recall=recall))
    settings = Settings(recall=wanted, prefetch="never")
    service = CompletionService(backend, lambda language: settings, lambda: [workspace.root])
    editor = Editor.at(service, "y = |\n", uri=(workspace.root / "a.py").as_uri())
    for name in ("z", "yz"):
        asked = editor.watch(editor.request("invoked"))
        call = await backend.called_later()
        request = call.request
        call.write("something_else")
        call.end()
        await asked
        assert request.recall == (None if wanted else 0.0)
        reading = service._context_provider._neighbours._states.get(editor.uri)
        if reading is not None and reading.reading is not None:
            await reading.reading
        editor.type(f"{name} + ")
    assert [text.text for text in request.corpus] == (["x = 1\n"] if recall and wanted else [])
    await service.close()
