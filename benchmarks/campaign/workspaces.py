"""Opens hostile workspaces in the real server: each request gets one answer, and nothing planted is ever sent."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.campaign.hostile_workspace import USER_EXCLUDE, Builder, Workspace
from benchmarks.campaign.outcome import Order, Outcome
from benchmarks.campaign.programs import own_home, resident_mib, terminate, watch_end
from benchmarks.campaign.recorder import Planted, Recorder, look_on_disk, recorders
from tests.client.buffer import Buffer
from tests.client.editor import Editor
from tests.client.listening import Listening, listening
from tests.client.readiness import NotReady, wait_until_ready
from tests.client.wire import Call, ConnectionLost, ResponseError

AT_ONCE = 3
STDIO_EVERY = 25
"""One in this many workspaces gets its own server, started in it."""
_ANSWER_S = 60.0
_TYPED = ("", "sum(", "x", "\n", "total(prices", "@@", "\U0001f600", "password = 'aB3$")


@dataclass
class _Run:
    """What the cases of a run share."""

    order: Order
    outcome: Outcome
    planted: Planted
    recorders: tuple[Recorder, ...]
    home: Path
    server: Listening
    hangs: bool = False
    """The server no longer answers: further workspaces would show nothing new."""


async def run(order: Order) -> Outcome:
    """Open `order.count` workspaces, several at a time, in one server, and some in servers of their own."""
    outcome, planted = Outcome("workspaces", alone=True), Planted()
    cases = order.cases()
    with own_home() as home:
        async with recorders(planted, outcome) as both, listening("tcp", home) as server:
            shared = _Run(order, outcome, planted, both, home, server)
            await asyncio.gather(*(_worker(shared, cases) for _ in range(min(AT_ONCE, order.count))))
            requests = sum(recorder.requests for recorder in both)
            outcome.notes.append(f"{requests:,} requests were sent to a model, and checked")
            await terminate(server.process, outcome, order.seed, order.end_within_s)
        outcome.check_memory(order.seed, "the server")
        look_on_disk(home, planted, outcome)
    return outcome


async def _worker(shared: _Run, cases: Iterator[int]) -> None:
    for seed in cases:
        if shared.hangs:
            return
        folder = Path(tempfile.mkdtemp(prefix="aix-ws-"))
        shared.outcome.running.add(seed)
        try:
            await _case(shared, seed, folder)
        finally:
            shared.outcome.running.discard(seed)
            shutil.rmtree(folder, ignore_errors=True)
        shared.outcome.tried += 1
        shared.outcome.memory.append(resident_mib(shared.server.process.pid))


async def _case(shared: _Run, seed: int, folder: Path) -> None:
    """One workspace, from its opening to the end of its session."""
    draw = random.Random(f"visit {seed}")
    workspace = Builder(folder, seed).build()
    shared.planted.add(seed, workspace.planted)
    own = seed % STDIO_EVERY == 0
    try:
        editor = await (Editor.start(shared.home, cwd=workspace.root) if own else shared.server.join())
    except OSError as error:
        shared.hangs = not own
        shared.outcome.find(seed, f"the server takes no client: {error}")
        return
    try:
        await _visit(editor, workspace, draw, shared)
        for call in editor.wire.calls.values():
            if call.answers != 1:
                shared.outcome.find(seed, f"{call.method} got {call.answers} answers")
        if editor.wire.stray:
            shared.outcome.find(seed, f"answers to nothing: {editor.wire.stray[:2]}")
        if own and editor.process:
            await editor.wire.request("shutdown").result(_ANSWER_S)
            editor.wire.notify("exit")
            await watch_end(editor.process, shared.outcome, seed, shared.order.end_within_s)
    except (TimeoutError, ConnectionLost, NotReady) as error:
        shared.hangs = isinstance(error, TimeoutError) and not own
        shared.outcome.find(seed, f"{type(error).__name__}: {error} {editor.log()[-500:]}")
    finally:
        await editor.kill()
    if workspace.calm and not any(workspace.visible in recorder.visible for recorder in shared.recorders):
        shared.outcome.find(seed, "the ordinary document was not sent, though nothing forbids it")


async def _visit(editor: Editor, workspace: Workspace, draw: random.Random, shared: _Run) -> None:
    """Open the documents, type and send requests, twice: the second time, the index knows the workspace."""
    options = {
        "url": draw.choice(shared.recorders).url,
        "token": shared.server.token,
        "exclude": list(USER_EXCLUDE),
        "waitMs": 0,
        "deadlineMs": 5_000,
        "workspaceTrusted": draw.random() < 0.8,
    }
    editor.configuration = {name: value for name, value in options.items() if name != "token"}
    await editor.initialize(root=workspace.root, options=options, within=_ANSWER_S)
    await wait_until_ready(editor, within=_ANSWER_S)
    documents = {document.uri: document for document in workspace.documents}
    buffers = [editor.open(it.uri, it.text, it.language) for it in documents.values()]
    for _ in range(2):
        for buffer in buffers:
            await _work(editor, buffer, workspace, draw)
    editor.close(buffers[0])


async def _work(editor: Editor, buffer: Buffer, workspace: Workspace, draw: random.Random) -> None:
    """Type something, and send one of the requests that editors send."""
    buffer.move(len(buffer.text) if draw.random() < 0.7 else draw.randrange(len(buffer.text) + 1))
    start, end = buffer.line_span(buffer.cursor)
    if not any(line in buffer.text[start:end] for secret in workspace.planted for line in secret.split("\n")):
        # Typing inside a secret makes it another text.
        editor.type(buffer, draw.choice(_TYPED))
    ask = draw.choice((editor.inline, editor.inline, editor.stream))
    calls: list[Call] = [ask(buffer, "invoked")]
    if draw.random() < 0.3:
        calls.append(editor.complete(buffer))
    if draw.random() < 0.1:
        editor.wire.cancel(calls[0])
    for call in calls:
        with suppress(ResponseError):
            await call.result(_ANSWER_S)
