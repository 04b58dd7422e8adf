"""The text after an accept is prefetched, cancelled if the user does something else, and counts as waste until used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Literal

import pytest

from aix_lsp.backends.base import Priority, Usage
from aix_lsp.completion.request import Suggestion
from aix_lsp.completion.service import CompletionService
from tests.completion.scripted import SETTINGS, Call, Editor, ScriptedBackend, texts, turns, under_way

Prefetch = Literal["auto", "always", "never"]


@pytest.fixture
async def service(backend: ScriptedBackend) -> AsyncIterator[CompletionService]:
    made = CompletionService(backend, lambda language: replace(SETTINGS, prefetch="always"))
    yield made
    await made.close()
    assert all(call.closed.is_set() for call in backend.calls)


async def shown(editor: Editor, backend: ScriptedBackend, text: str, reason: str = "stop") -> Suggestion:
    """The suggestion that the editor gets when the model writes `text`."""
    answer, call = await under_way(editor, backend)
    call.write(text)
    call.end(reason)
    return (await answer)[-1].suggestions[0]


def before(call: Call) -> str:
    """The text before the cursor that the model gets."""
    return call.request.prompt.prefix + call.request.prompt.middle


async def test_what_follows_an_accepted_suggestion_is_prefetched_at_once(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |)\n")
    given = await shown(editor, backend, "foo(1,", "length")
    call = await backend.called()
    assert call.request.priority is Priority.PREFETCH
    assert before(call) == "x = foo(1,"
    call.write(" 2)")
    call.end()
    await turns()
    editor.type(given.text)
    updates = await editor.watch()
    assert texts(updates) == [" 2)"]
    assert updates[0].suggestions[0].source == "reuse"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
async def test_after_a_whole_line_the_next_one_is_prefetched(
    service: CompletionService, backend: ScriptedBackend, ending: str
) -> None:
    """The model has ended its line, so the next request comes after the user's line break."""
    editor = Editor.at(service, "def f():\n    |\n".replace("\n", ending).replace("|", "y|"))
    given = await shown(editor, backend, " = 1\n")
    call = await backend.called()
    assert before(call).endswith("y = 1\n    ")
    call.write("z = 2\n")
    call.end()
    await turns()
    editor.type(given.text)
    assert texts(await editor.watch()) == [""]
    editor.type(ending + "    ")
    assert texts(await editor.watch()) == ["z = 2"]


async def test_at_the_end_of_a_line_the_next_line_is_prefetched(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    """However unlikely the suggestion was: a user who typed along to its end continues below."""
    editor = Editor.at(service, "def f():\n    y|\n")
    answer, call = await under_way(editor, backend)
    call.write(" = 1\n", logprob=-5.0)
    call.end()
    await answer
    await backend.not_called()
    editor.type(" = 1")
    assert texts(await editor.watch()) == [""]
    call = await backend.called()
    assert call.request.priority is Priority.PREFETCH
    assert before(call).endswith("y = 1\n    ")
    call.write("z = 2\n")
    call.end()
    await turns()
    editor.type("\n    ")
    updates = await editor.watch()
    assert texts(updates) == ["z = 2"]
    assert updates[0].suggestions[0].source == "reuse"


@pytest.mark.parametrize(
    ("source", "written", "logprob", "begun"),
    [
        ("x = 1|\n", "\n", -0.1, True),
        ("x = 1|\n", "\n", -5.0, False),
        ("x = f(1|)\n", "\n", -0.1, False),  # nobody inserts a line break there
        ("x = |\nx = compute(1)\n", "compute(1)\n", -0.1, False),  # ended by a filter
        ("    |\n", "\n", -0.1, False),
    ],
)
async def test_when_the_model_has_ended_the_line(
    service: CompletionService,
    backend: ScriptedBackend,
    source: str,
    written: str,
    logprob: float,
    begun: bool,
) -> None:
    editor = Editor.at(service, source)
    answer, call = await under_way(editor, backend)
    call.write(written, logprob=logprob)
    call.end()
    assert texts(await answer) == [""]
    await turns()
    assert len(backend.calls) == 1 + begun
    if begun:
        after_acceptance = await backend.called()
        assert before(after_acceptance).endswith("x = 1\n")
        editor.type(";")
        await turns()
        assert after_acceptance.closed.is_set()


async def test_after_an_opener_the_block_is_prefetched(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "if |\n")
    await shown(editor, backend, "a:\n")
    assert before(await backend.called()) == "if a:"


async def test_a_different_edit_cancels_the_prefetch_and_counts_it_as_waste(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    await shown(editor, backend, "foo(1,", "length")
    call = await backend.called()
    call.write(", 2")
    editor.type("f")
    assert texts(await editor.watch()) == ["oo(1,"]
    assert not call.closed.is_set(), "typing along may still end in it"
    editor.type("i")
    await turns()
    assert call.closed.is_set()
    assert service.statistics()["wasted_tokens"] == 1


async def test_a_request_elsewhere_cancels_the_prefetch(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\ny = 1\n")
    await shown(editor, backend, "foo(1,", "length")
    call = await backend.called()
    editor.cursor = type(editor.cursor)(1, 5)
    other = editor.watch()
    (await backend.called()).end()
    await other
    await turns()
    assert call.closed.is_set()


async def test_a_used_prefetch_is_not_waste(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "x = |\n")
    given = await shown(editor, backend, "foo(1,", "length")
    call = await backend.called()
    call.write(", 2")
    call.end("length", Usage(10, 9, 4))
    await turns()
    assert service.statistics()["wasted_tokens"] == 4
    editor.type(given.text)
    await editor.watch()
    assert service.statistics()["wasted_tokens"] == 0


@pytest.mark.parametrize(
    ("wanted", "url", "snippets", "begun"),
    [
        ("auto", "", "f", True),
        ("auto", "http://127.0.0.1:9", "f", False),  # tokens of a remote server may cost money
        ("always", "http://127.0.0.1:9", "f", True),
        ("never", "", "f", False),
        ("always", "", "foo(1, 2, 3, 4, 5, 6, 7, 8)", False),  # each token makes it less likely
    ],
)
async def test_prefetches_only_after_likely_suggestions_and_only_if_enabled(
    wanted: Prefetch, url: str, snippets: str, begun: bool
) -> None:
    backend = ScriptedBackend()
    settings = replace(SETTINGS, prefetch=wanted, url=url)
    service = CompletionService(backend, lambda language: settings)
    editor = Editor.at(service, "x = |\n")
    answer, call = await under_way(editor, backend)
    for snippet in snippets:
        call.write(snippet)
    call.end()
    await answer
    await turns()
    assert len(backend.calls) == 1 + begun
    assert service.statistics()["under_way"] == begun
    await service.close()


@pytest.mark.parametrize("what", ["document", "service"])
async def test_nothing_is_prefetched_for_what_closes_with_the_answer(
    what: str, service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")

    async def close_at_the_end() -> None:
        async for update in service.suggest(editor.request()):
            if not update.done:
                continue
            if what == "document":
                service.document_closed(editor.uri)
            else:
                await service.close()

    answer = asyncio.create_task(close_at_the_end())
    call = await backend.called()
    call.write("foo(1,")
    call.end("length")
    await answer
    await backend.not_called()
