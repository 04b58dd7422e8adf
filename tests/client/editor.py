"""A headless editor: starts the real server, types, sends requests, and records what arrives when.

Tests, the demo and the benchmarks share it. It speaks LSP without a library, so that it can also misbehave.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.client.buffer import Buffer, Encoding
from tests.client.lsp import CAPABILITIES, Trigger, inline_context, insert_text
from tests.client.wire import Call, ConnectionLost, Wire

LONGEST_MESSAGE = 64 * 1024 * 1024


class Editor:
    """A client of one server. Use as an async context manager, or `shutdown` it yourself."""

    def __init__(self, process: asyncio.subprocess.Process | None, configuration: Mapping[str, Any]) -> None:
        self.process = process
        self.configuration = configuration
        """The answer to `workspace/configuration` (the section `aix`)."""
        self.wire: Wire
        self.stderr: deque[str] = deque(maxlen=5000)
        self.capabilities: dict[str, Any] = {}
        self.server_info: dict[str, Any] = {}
        self.encoding: Encoding = "utf-16"
        self.buffers: dict[str, Buffer] = {}
        self._tokens = itertools.count(1)
        self._untitled = itertools.count(1)
        self._drain: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        home: Path,
        *args: str,
        configuration: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        module: str = "aix_lsp",
        program: Sequence[str] = (),
    ) -> Self:
        """Start a server over stdio; all files that it writes go under `home`.

        `program` is the command line that starts it; by default, it is `python -m` with `module`.
        """
        process = await asyncio.create_subprocess_exec(
            *(program or (sys.executable, "-m", module)),
            *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(home, env),
            cwd=cwd,
            limit=LONGEST_MESSAGE,
        )
        assert process.stdin and process.stdout
        editor = cls(process, configuration or {})
        editor.wire = Wire(process.stdout, process.stdin, editor._answer)
        editor._drain = asyncio.create_task(editor._read_stderr())
        return editor

    @classmethod
    async def connect(cls, host: str, port: int, *, configuration: Mapping[str, Any] | None = None) -> Self:
        """Connect to a server that listens on TCP."""
        reader, writer = await asyncio.open_connection(host, port, limit=LONGEST_MESSAGE)
        editor = cls(None, configuration or {})
        editor.wire = Wire(reader, writer, editor._answer)
        return editor

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self.wire.closed:
            try:
                await self.shutdown()
            except (ConnectionLost, TimeoutError):
                pass
        await self.kill()

    async def initialize(
        self,
        capabilities: Mapping[str, Any] | None = None,
        *,
        root: Path | None = None,
        options: Any = None,
        within: float = 60,
        **more: Any,
    ) -> dict[str, Any]:
        """Perform the handshake; returns the result of `initialize`. `more` adds to its params or replaces them."""
        params: dict[str, Any] = {
            "processId": os.getpid(),
            "clientInfo": {"name": "headless", "version": "1"},
            "rootUri": root.as_uri() if root else None,
            "capabilities": CAPABILITIES if capabilities is None else capabilities,
        }
        if root:
            params["workspaceFolders"] = [{"uri": root.as_uri(), "name": root.name}]
        if options is not None:
            params["initializationOptions"] = options
        answer: dict[str, Any] = await self.wire.request("initialize", params | more).result(within)
        self.capabilities = answer["capabilities"]
        self.server_info = answer.get("serverInfo", {})
        self.encoding = self.capabilities.get("positionEncoding", "utf-16")
        self.wire.notify("initialized", {})
        return answer

    def open(self, file: Path | str | None, text: str | None = None, language: str = "python") -> Buffer:
        """Open a file (a path, or a URI, which is sent unchanged); None opens an untitled buffer."""
        if file is None:
            file = f"untitled:Untitled-{next(self._untitled)}"
        if isinstance(file, Path):
            text = file.read_text(encoding="utf-8") if text is None else text
        uri = file.as_uri() if isinstance(file, Path) else file
        buffer = Buffer(uri, text or "", language, self.encoding)
        self.buffers[uri] = buffer
        item = {"uri": uri, "languageId": language, "version": buffer.version, "text": buffer.text}
        self.wire.notify("textDocument/didOpen", {"textDocument": item})
        return buffer

    def close(self, buffer: Buffer) -> None:
        del self.buffers[buffer.uri]
        self.wire.notify("textDocument/didClose", {"textDocument": {"uri": buffer.uri}})

    def changed(self, buffer: Buffer, changes: Sequence[dict[str, Any]]) -> None:
        """Tell the server about edits already made to the buffer."""
        if changes:
            document = {"uri": buffer.uri, "version": buffer.version}
            self.wire.notify(
                "textDocument/didChange", {"textDocument": document, "contentChanges": list(changes)}
            )

    def key(self, buffer: Buffer, char: str) -> None:
        """Press one key (a newline indents, brackets close themselves)."""
        self.changed(buffer, buffer.key(char))

    def type(self, buffer: Buffer, text: str, *, auto_close: bool = False) -> None:
        """Type a string, with one didChange per character."""
        for char in text:
            if auto_close:
                self.key(buffer, char)
            else:
                self.changed(buffer, [buffer.replace(buffer.cursor, buffer.cursor, char)])

    def backspace(self, buffer: Buffer, count: int = 1) -> None:
        for _ in range(count):
            self.changed(buffer, [buffer.replace(buffer.cursor - 1, buffer.cursor, "")])

    def accept(self, buffer: Buffer, item: Mapping[str, Any]) -> str:
        """Insert an inline item into the buffer, as Tab does; returns the inserted text."""
        text = insert_text(item)
        span = item.get("range")
        start = buffer.offset(span["start"]) if span else buffer.cursor
        end = buffer.offset(span["end"]) if span else buffer.cursor
        self.changed(buffer, [buffer.accept(start, end, text)])
        return text

    def complete(self, buffer: Buffer, trigger: Trigger = "invoked", *, partial: bool = False) -> Call:
        """Request the completion popup."""
        return self._ask("textDocument/completion", buffer, {"triggerKind": 1}, partial)

    def inline(
        self,
        buffer: Buffer,
        trigger: Trigger = "automatic",
        *,
        partial: bool = False,
        selected: Mapping[str, Any] | None = None,
    ) -> Call:
        """Request ghost text as in LSP 3.18."""
        return self._ask("textDocument/inlineCompletion", buffer, inline_context(trigger, selected), partial)

    def stream(self, buffer: Buffer, trigger: Trigger = "automatic", *, partial: bool = True) -> Call:
        """Request ghost text that grows over `$/progress`."""
        return self._ask("aix/inlineCompletion", buffer, inline_context(trigger, None), partial)

    def _ask(self, method: str, buffer: Buffer, context: dict[str, Any], partial: bool) -> Call:
        params: dict[str, Any] = {
            "textDocument": {"uri": buffer.uri},
            "position": buffer.position(buffer.cursor),
            "context": context,
        }
        token = f"partial-{next(self._tokens)}" if partial else None
        if token:
            params["partialResultToken"] = token
        return self.wire.request(method, params, token=token)

    async def shutdown(self, within: float = 60) -> int | None:
        """Send `shutdown` and `exit`; returns the exit status of a server that this editor started."""
        await self.wire.request("shutdown").result(within)
        self.wire.notify("exit")
        await self.wire.drain()
        return await asyncio.wait_for(self.process.wait(), within) if self.process else None

    async def kill(self) -> None:
        """Make sure that the server is gone, whatever state it is in."""
        await self.wire.close()
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        if self._drain:
            await asyncio.gather(self._drain, return_exceptions=True)

    def log(self) -> str:
        """The server's output on standard error so far."""
        return "\n".join(self.stderr)

    async def _read_stderr(self) -> None:
        assert self.process and self.process.stderr
        while line := await self.process.stderr.readline():
            self.stderr.append(line.decode("utf-8", "replace").rstrip())

    def _answer(self, method: str, params: Any) -> Any:
        if method == "workspace/configuration":
            return [self.configuration if i.get("section") == "aix" else None for i in params["items"]]
        if method == "workspace/applyEdit":
            return {"applied": False, "failureReason": "no screen"}
        if method.startswith(("window/", "client/", "workspace/")):
            return None
        raise LookupError(method)


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a program whose files all go under `home`."""
    return os.environ | {"AIX_LSP_HOME": str(home), "PYTHONUNBUFFERED": "1"} | dict(more or {})
