"""A backend that reads slowly reads more of the document while it is idle, and prompts then begin with that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from aix_lsp.backends.base import BackendError, BackendStatus, ModelInfo, Priority, Usage
from aix_lsp.completion.prompt import limits
from aix_lsp.completion.prompt_budget import FIRST
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.text import Position
from aix_lsp.settings import Settings
from tests.completion import scripted
from tests.completion.scripted import Call, Editor, ScriptedBackend, turns, under_way

LINES = [f"value_{number} = compute({number})" for number in range(400)]
SOURCE = "\n".join((*LINES[:200], "x|", *LINES[200:]))
SLOW = Usage(prompt_tokens=400, completion_tokens=3, first_token_ms=4000)
FAST = Usage(prompt_tokens=400, completion_tokens=3, first_token_ms=4)
SETTINGS = replace(scripted.SETTINGS, prefetch="auto")


@pytest.fixture
def settings() -> Settings:
    return SETTINGS


@pytest.fixture
async def service(backend: ScriptedBackend, settings: Settings) -> AsyncIterator[CompletionService]:
    backend.status = BackendStatus("ready", model=ModelInfo("scripted", context_length=16_384))
    made = CompletionService(backend, lambda language: settings)
    yield made
    await made.close()
    assert all(call.closed.is_set() for call in backend.calls)


@pytest.fixture
async def editor(service: CompletionService) -> Editor:
    return Editor.at(service, SOURCE)


async def generated(editor: Editor, backend: ScriptedBackend, usage: Usage) -> Call:
    """A finished generation, too unlikely for what would follow it to be prefetched."""
    answer, call = await under_way(editor, backend)
    call.write(" = 1", logprob=-5.0)
    call.end("length", usage)
    await answer
    return call


async def read_ahead(editor: Editor, backend: ScriptedBackend) -> Call:
    """The request that reads ahead after a slow first one; it is still running."""
    await generated(editor, backend, SLOW)
    ahead = await backend.called()
    assert ahead.request.priority is Priority.BACKGROUND
    return ahead


async def has_read(editor: Editor, backend: ScriptedBackend) -> Call:
    ahead = await read_ahead(editor, backend)
    ahead.write("y")
    ahead.end("length", Usage(prompt_tokens=1800, completion_tokens=1, first_token_ms=9000))
    await turns()
    return ahead


def size(call: Call) -> int:
    prompt = call.request.prompt
    return len(prompt.prefix) + len(prompt.middle) + len(prompt.suffix)


async def test_prompts_begin_with_what_was_read_ahead(editor: Editor, backend: ScriptedBackend) -> None:
    ahead = await has_read(editor, backend)
    assert ahead.request.max_tokens == 1 and ahead.request.stream_key.endswith(":ahead")
    assert ahead.request.corpus == () and ahead.request.recall == 0
    assert size(ahead) > 1.5 * size(backend.calls[0])
    editor.type("q")
    later = await generated(editor, backend, replace(SLOW, cached_tokens=399))
    sent, known = later.request.prompt, ahead.request.prompt
    assert (sent.prefix, sent.suffix, sent.context) == (known.prefix, known.suffix, known.context)
    assert sent.middle == known.middle + "q"
    await backend.not_called()


async def test_the_window_is_read_once_and_prompts_stay_short_until_then(
    editor: Editor, backend: ScriptedBackend
) -> None:
    ahead = await read_ahead(editor, backend)
    editor.type("q")
    later = await generated(editor, backend, replace(SLOW, cached_tokens=399))
    assert size(later) == size(backend.calls[0]) + 1
    await backend.not_called()
    assert not ahead.closed.is_set()


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.parametrize("where", ["above", "elsewhere"])
async def test_an_edit_within_the_window_and_a_jump_stop_the_reading(
    editor: Editor, backend: ScriptedBackend, reading: bool, where: str
) -> None:
    ahead = await (read_ahead if reading else has_read)(editor, backend)
    if where == "above":
        here = editor.cursor
        editor.edit(Position(180, 0), Position(180, 3), "VAL", cursor=here)
        editor.type("q")
    else:
        editor.cursor = Position(20, len(LINES[20]))
        editor.type("q")
    later = await generated(editor, backend, SLOW)
    assert size(later) < 0.7 * size(ahead)
    assert ahead.closed.is_set()
    again = await backend.called()
    assert again.request.priority is Priority.BACKGROUND
    assert "VAL" in again.request.prompt.prefix or where == "elsewhere"


async def test_a_window_lost_from_the_cache_is_not_read_again_while_a_user_waits(
    editor: Editor, backend: ScriptedBackend
) -> None:
    ahead = await has_read(editor, backend)
    editor.type("q")
    await generated(editor, backend, Usage(1800, 0, 3, first_token_ms=9000))
    again = await backend.called()
    assert again.request.priority is Priority.BACKGROUND
    editor.type("r")
    later = await generated(editor, backend, replace(SLOW, cached_tokens=399))
    assert size(later) < 0.7 * size(ahead)


@pytest.mark.parametrize(
    ("settings", "lost"),
    [
        (SETTINGS, False),
        (replace(SETTINGS, kv_idle_s=1e-9), True),
        (replace(SETTINGS, kv_idle_s=0.0), False),
        (replace(SETTINGS, kv_idle_s=1e-9, url="http://127.0.0.1:9", prefetch="always"), False),
    ],
    ids=["default", "short", "never", "remote"],
)
async def test_after_a_pause_in_which_the_engine_gives_memory_back_the_cache_is_assumed_lost(
    editor: Editor, backend: ScriptedBackend, lost: bool
) -> None:
    """`kvIdleS` says how long that is, for our own engine; 0 is never."""
    ahead = await has_read(editor, backend)
    editor.type("q")
    later = await generated(editor, backend, SLOW)
    assert (size(later) < 0.7 * size(ahead)) == lost


async def test_what_was_read_ahead_is_counted_apart(
    service: CompletionService, editor: Editor, backend: ScriptedBackend
) -> None:
    """The shares that `aix-lsp stats` prints are of the prompts that a suggestion was wanted for."""
    ahead = await read_ahead(editor, backend)
    before = service.statistics()
    ahead.write("y")
    ahead.end("length", Usage(prompt_tokens=1800, cached_tokens=300, completion_tokens=1))
    await turns()
    counted = service.statistics()
    assert counted == before | {"read_ahead_tokens": 1500}


async def test_without_an_answer_prompts_stay_short(editor: Editor, backend: ScriptedBackend) -> None:
    ahead = await read_ahead(editor, backend)
    ahead.fail(BackendError("the queue is full"))
    await turns()
    editor.type("q")
    later = await generated(editor, backend, replace(SLOW, cached_tokens=399))
    assert size(later) == size(backend.calls[0]) + 1


@pytest.mark.parametrize(
    ("settings", "usage", "source"),
    [
        (SETTINGS, FAST, SOURCE),
        (SETTINGS, SLOW, "x|\n"),
        (replace(SETTINGS, prefetch="never"), SLOW, SOURCE),
        (replace(SETTINGS, url="http://127.0.0.1:9"), SLOW, SOURCE),
    ],
    ids=["fast", "short", "never", "remote"],
)
async def test_nothing_is_read_ahead(
    service: CompletionService, backend: ScriptedBackend, usage: Usage, source: str
) -> None:
    await generated(Editor.at(service, source), backend, usage)
    await backend.not_called()


async def test_closing_the_document_stops_the_reading(
    service: CompletionService, editor: Editor, backend: ScriptedBackend
) -> None:
    ahead = await read_ahead(editor, backend)
    service.document_closed(editor.uri)
    await turns()
    assert ahead.closed.is_set()


async def test_only_the_first_prompt_of_a_fast_backend_is_short(
    editor: Editor, backend: ScriptedBackend
) -> None:
    first = await generated(editor, backend, FAST)
    sizes = [limits(SETTINGS, backend.status.model, most).prefix_chars for most in (FIRST, None)]
    assert len(first.request.prompt.prefix) < sizes[0] < sizes[1]
    editor.type("q")
    assert sizes[0] < size(await generated(editor, backend, FAST))


@pytest.mark.parametrize("line", range(30, 390, 40))
async def test_the_second_prompt_of_a_slow_backend_begins_with_the_first(
    service: CompletionService, backend: ScriptedBackend, line: int
) -> None:
    """Wherever in its document: windows begin at round lines."""
    editor = Editor.at(service, "\n".join((*LINES[:line], "x|", *LINES[line:])))
    first = await generated(editor, backend, SLOW)
    await turns()
    if len(backend.calls) > 1:
        assert (await backend.called()).request.priority is Priority.BACKGROUND
    editor.type("q")
    later = await generated(editor, backend, replace(SLOW, cached_tokens=399))
    sent, known = later.request.prompt, first.request.prompt
    assert (sent.prefix, sent.suffix) == (known.prefix, known.suffix)
