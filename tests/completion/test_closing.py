"""Nothing begins for a document, or at a service, that has been closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from aix_lsp.completion import service as service_module
from aix_lsp.completion.request import ContentModified
from aix_lsp.completion.service import CompletionService
from tests.completion.scripted import SETTINGS, Editor, ScriptedBackend, finished, turns, under_way


@pytest.fixture
async def service(backend: ScriptedBackend) -> AsyncIterator[CompletionService]:
    """One whose requests wait for a pause in the typing, as those to a remote server do."""
    made = CompletionService(backend, lambda _: replace(SETTINGS, url="http://elsewhere", wait_ms=60_000))
    yield made
    await made.close()


async def close(what: str, editor: Editor) -> None:
    if what == "document":
        editor.service.document_closed(editor.uri)
    else:
        await editor.service.close()


@pytest.mark.parametrize("what", ["document", "service"])
async def test_a_request_that_waits_for_a_pause(
    what: str, service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    await finished(editor, backend, "foo")
    editor.type("b")
    editor.type("a")
    service._documents[editor.uri].debouncer.interval.value = 60.0
    answer = editor.watch()
    await turns()
    await close(what, editor)
    with pytest.raises(ContentModified):
        await answer
    await backend.not_called()


async def test_a_request_that_waits_for_the_privacy_check(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch()
    await asyncio.sleep(0)
    await close("document", editor)
    with pytest.raises(ContentModified):
        await answer
    await backend.not_called()


async def test_a_document_that_is_forgotten_with_its_answer(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the turn of the loop in which it is answered; what follows an answer is due in the next."""
    monkeypatch.setattr(service_module, "_UNOPENED", 1)
    made = CompletionService(backend, lambda _: replace(SETTINGS, prefetch="always"))
    editor = Editor.at(made, "x = |\n")
    made._opened.clear()
    answer, call = await under_way(editor, backend, "foo(1,", editor.request(channel="popup"))
    call.end("length")
    await answer
    async for _ in made.suggest(editor.request()):
        pass
    for name in ("b.py", "c.py"):
        made._document_state(f"file:///project/{name}")
    assert editor.uri not in made._documents
    await backend.not_called()
    await made.close()
