"""Runs the real program over pipes, with a scripted engine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.client.peer import StreamPeer

PATIENCE_S = 60.0
PROGRAM = """
import asyncio, sys
from aix_lsp.lsp import main, stdio
from aix_lsp.lsp.options import LspOptions
from tests.lsp.scripted import ScriptedBackend, echo, dependencies

PATIENT = {{"deadlineMs": 60_000}}  # which even a busy machine meets

{extra}
main.default_dependencies = lambda options: dependencies(
    connect=lambda settings: ScriptedBackend(echo), transport="stdio", settings=PATIENT
)
sys.exit(main.run(LspOptions(parent_pid={parent_pid})))
"""
"""The real server, except for its engine, which would take seconds to load."""


class Program:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout and process.stdin
        self.process = process
        self.peer = StreamPeer(process.stdout, process.stdin)

    async def status(self) -> int:
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)


@asynccontextmanager
async def running(
    extra: str = "", parent_pid: int | None = None, stderr: int = subprocess.DEVNULL
) -> AsyncIterator[Program]:
    source = PROGRAM.format(extra=extra, parent_pid=parent_pid)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        source,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        limit=1 << 26,
        cwd=Path(__file__).parents[2],
    )
    program = Program(process)
    try:
        yield program
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await program.peer.disconnect()
