"""Two servers, one engine; and an engine that dies."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.client.buffer import Buffer
from tests.client.editor import Editor
from tests.client.engine_watch import engine_pids, wait_until
from tests.client.lsp import inline_items
from tests.client.readiness import wait_until_ready
from tests.client.wire import ResponseError
from tests.end_to_end.conftest import PATIENT, SOURCE


async def suggested(editor: Editor, buffer: Buffer) -> bool:
    """Request again and again, as during continued typing, until there is a suggestion."""
    async with asyncio.timeout(60):
        while True:
            try:
                if inline_items(await editor.inline(buffer, "invoked").result()):
                    return True
            except ResponseError:
                pass  # an error is an answer too; the next request must work
            await asyncio.sleep(0.05)


async def test_two_servers_share_one_engine_and_survive_its_death(fresh_home: Path) -> None:
    async with await Editor.start(fresh_home) as one, await Editor.start(fresh_home) as two:
        await asyncio.gather(*(editor.initialize(options=PATIENT) for editor in (one, two)))
        await asyncio.gather(wait_until_ready(one), wait_until_ready(two))
        buffers = [editor.open(None, SOURCE) for editor in (one, two)]
        assert await suggested(one, buffers[0]) and await suggested(two, buffers[1])
        await wait_until(lambda: len(engine_pids(fresh_home)) == 1, what="a single engine")
        [first] = engine_pids(fresh_home)

        one.type(buffers[0], "accounts:\n            ")
        call = one.stream(buffers[0], "invoked")
        await one.wire.wait_for(lambda: call.progress)
        os.kill(first, signal.SIGKILL)
        right_after = two.inline(buffers[1], "invoked")
        try:
            await call.result()
        except ResponseError as error:
            assert error.code in (-32603, -32800, -32801, -32802, -32803), "an error that says what happened"
        assert call.answers == 1
        inline_items(await right_after.result())

        assert await suggested(one, buffers[0]) and await suggested(two, buffers[1])
        # Each server may have started one; the later one finds the lock taken and leaves.
        await wait_until(lambda: len(engine_pids(fresh_home)) == 1, what="a single new engine")
        assert engine_pids(fresh_home) != [first]
        assert await one.shutdown() == 0 and await two.shutdown() == 0
        assert "Traceback" not in one.log() + two.log()
