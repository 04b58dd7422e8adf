"""Kills the engine while it generates, again and again: each request gets one answer, and suggestions return."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.campaign.outcome import Order, Outcome
from benchmarks.campaign.programs import own_home, resident_mib, watch_end
from tests.client.editor import Editor
from tests.client.engine_watch import engine_pids
from tests.client.lsp import inline_items
from tests.client.readiness import NotReady, wait_until_ready
from tests.client.wire import Call, ConnectionLost, ResponseError
from tests.slow_engine import GROWING

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT)
_ANSWER_S = 60.0
_BACK_S = 180.0
_STATUS = "aix/status"


class _Victim:
    """A server and its engine, and an editor that requests suggestions."""

    def __init__(self, editor: Editor, home: Path, outcome: Outcome) -> None:
        self.editor = editor
        self.home = home
        self.outcome = outcome
        self.asked_to_restart = 0
        self.in_stream = 0
        self.away_s: list[float] = []

    async def kill(self, seed: int) -> None:
        """Send requests, kill the engine once text has arrived, and wait for suggestions to return."""
        draw = random.Random(f"kill {seed}")
        source = f"# {seed}\n" + draw.choice(GROWING)
        buffer = self.editor.open(None, source)
        calls = [self.editor.stream(buffer, "invoked"), self.editor.complete(buffer)]
        if draw.random() < 0.8:
            with suppress(TimeoutError):
                await self.editor.wire.wait_for(
                    lambda: calls[0].progress or calls[0].future.done(), _ANSWER_S
                )
        self.in_stream += not calls[0].future.done()
        for pid in engine_pids(self.home):
            with suppress(ProcessLookupError):
                os.kill(pid, draw.choice(SIGNALS))
        began = time.monotonic()
        self.editor.type(buffer, draw.choice(("", "x", "re")))
        calls.append(self.editor.inline(buffer))
        await self._answered(calls, seed)
        await self._back(seed)
        self.away_s.append(time.monotonic() - began)
        self.editor.close(buffer)

    async def _answered(self, calls: list[Call], seed: int) -> None:
        for call in calls:
            try:
                await call.result(_ANSWER_S)
            except ResponseError:
                continue
            except TimeoutError:
                self.outcome.find(
                    seed, f"{call.method} was not answered within {_ANSWER_S:.0f} s of the engine's death"
                )
        for call in calls:
            if call.answers > 1:
                self.outcome.find(seed, f"{call.method} got {call.answers} answers")

    async def _back(self, seed: int) -> None:
        """Suggestions return; if the server has given up, after the command that its message names."""
        until = time.monotonic() + _BACK_S
        number = 0
        while time.monotonic() < until:
            number += 1
            statuses = [note.params for note in self.editor.wire.notifications if note.method == _STATUS]
            if statuses and statuses[-1]["state"] == "error":
                self.asked_to_restart += 1
                call = self.editor.wire.request("workspace/executeCommand", {"command": "aix.restartEngine"})
                with suppress(ResponseError):
                    await call.result(_ANSWER_S)
                await asyncio.sleep(1)
            buffer = self.editor.open(None, f"# {seed} {number}\n{GROWING[number % len(GROWING)]}")
            with suppress(ResponseError):
                items = inline_items(await self.editor.inline(buffer, "invoked").result(_ANSWER_S))
                if items:
                    return
            self.editor.close(buffer)
            await asyncio.sleep(0.2)
        self.outcome.find(seed, f"no suggestion within {_BACK_S:.0f} s of the engine's death")


async def run(order: Order) -> Outcome:
    """Kill the engine `order.count` times behind one server, then end that server."""
    outcome = Outcome("kills", unit="deaths")
    with own_home() as home:
        editor = await Editor.start(home)
        victim = _Victim(editor, home, outcome)
        try:
            await editor.initialize(
                options={"deadlineMs": 10_000, "waitMs": 0, "kvMemoryMb": 64, "threads": 1}
            )
            await wait_until_ready(editor)
            for seed in order.cases():
                await victim.kill(seed)
                outcome.tried += 1
                assert editor.process
                outcome.memory.append(resident_mib(editor.process.pid))
            await editor.wire.request("shutdown").result(_ANSWER_S)
            editor.wire.notify("exit")
            assert editor.process
            await watch_end(editor.process, outcome, order.seed, order.end_within_s)
        except (TimeoutError, ConnectionLost, NotReady) as error:
            outcome.find(order.seed + outcome.tried, f"{type(error).__name__}: {error} {editor.log()[-500:]}")
        finally:
            await editor.kill()
    outcome.check_memory(order.seed, "the server")
    if victim.away_s:
        away = sorted(victim.away_s)
        outcome.notes.append(f"{victim.in_stream} died with a stream open")
        outcome.notes.append(
            f"suggestions returned after {away[len(away) // 2]:.1f} s (median), {away[-1]:.1f} s at most"
        )
        outcome.notes.append(f"the server gave up and was told to restart it {victim.asked_to_restart} times")
    return outcome
