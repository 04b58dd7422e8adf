"""The real program over pipes: start, exit codes, what is written to standard output, orphans."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from aix_lsp.lsp import jsonrpc
from aix_lsp.lsp.options import is_loopback
from tests.client.peer import StreamPeer
from tests.client.places import STREAM, URI
from tests.lsp.program import PATIENCE_S, PROGRAM, running


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        (["initialize", "shutdown", "exit"], 0),
        (["initialize", "exit"], 1),
        (["exit"], 1),
        (["initialize", "shutdown", "end"], 0),
        (["initialize", "end"], 1),
        (["end"], 1),
    ],
)
async def test_exit_codes(steps: list[str], status: int) -> None:
    async with running() as program:
        for step in steps:
            if step == "initialize":
                await program.peer.initialize()
            elif step == "shutdown":
                await program.peer.ask("shutdown")
            elif step == "exit":
                program.peer.notify("exit")
            else:
                program.peer.writer.close()
        assert await program.status() == status


async def test_only_lsp_is_written_on_standard_output() -> None:
    noisy = """
import logging, os, subprocess
build = stdio.build
def talking_build(*args):
    print("from print"); sys.stdout.write("from sys.stdout"); sys.stdout.flush()
    os.write(1, b"from C code"); subprocess.run(["echo", "from a child"])
    return build(*args)
stdio.build = talking_build
sys.stdout.flush()
"""
    async with running(noisy) as program:
        result = await program.peer.initialize()
        assert result["serverInfo"]["name"] == "aix-lsp"
        await program.peer.ask("shutdown")
        program.peer.notify("exit")
        assert await program.status() == 0
        assert not [m for m in program.peer.messages if "jsonrpc" not in m]


async def test_the_parent_of_the_client_is_watched() -> None:
    """An editor that dies without closing the pipe, because another of its processes keeps it open."""
    editor = await asyncio.create_subprocess_exec("sleep", "1000")
    async with running() as program:
        await program.peer.initialize(processId=editor.pid)
        editor.kill()
        await editor.wait()
        assert await program.status() == 1


async def test_the_parent_of_the_command_line_is_watched() -> None:
    editor = await asyncio.create_subprocess_exec("sleep", "1000")
    async with running(parent_pid=editor.pid) as program:
        await program.peer.initialize()
        editor.kill()
        await editor.wait()
        assert await program.status() == 1


async def test_a_parent_in_another_container_is_ignored() -> None:
    async with running() as program:
        await program.peer.initialize(processId=2**22 + 12345)
        assert await program.peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND
        await program.peer.ask("shutdown")
        program.peer.notify("exit")
        assert await program.status() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
async def test_sigterm_shuts_it_down_cleanly() -> None:
    async with running() as program:
        await program.peer.initialize()
        program.process.terminate()
        assert await program.status() == 1


def test_input_and_output_that_are_files(tmp_path: Path) -> None:
    """`aix-lsp < requests > answers`: no event loop can watch files, so threads read and write them."""
    source = PROGRAM.format(extra="", parent_pid=None)
    bodies: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": {"processId": None, "capabilities": {}}},
        {"method": "initialized", "params": {}},
        {"id": 2, "method": "shutdown"},
        {"method": "exit"},
    ]
    with (tmp_path / "in").open("wb") as file:
        for body in bodies:
            data = json.dumps({"jsonrpc": "2.0"} | body).encode()
            file.write(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
    with (tmp_path / "in").open("rb") as given, (tmp_path / "out").open("wb") as taken:
        done = subprocess.run(
            [sys.executable, "-c", source],
            stdin=given,
            stdout=taken,
            timeout=PATIENCE_S,
            cwd=Path(__file__).parents[2],
            check=False,
        )
    assert done.returncode == 0
    answers = (tmp_path / "out").read_bytes()
    assert b'"id":1,"result"' in answers and b'"id":2,"result":null' in answers


async def test_one_packet_with_a_request_and_later_typing() -> None:
    async with running() as program:
        peer = program.peer
        await peer.initialize()
        await peer.wait(lambda: peer.notifications("aix/status"))
        place = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 4}}
        item = {"uri": URI, "languageId": "python", "version": 1, "text": "x = "}
        packet: list[dict[str, Any]] = [
            {"method": "textDocument/didOpen", "params": {"textDocument": item}},
            {"id": 1, "method": STREAM, "params": place | {"context": {"triggerKind": 2}}},
            {"method": "textDocument/didChange", "params": changed(2, "x = x")},
            {"method": "textDocument/didChange", "params": changed(3, "x = x_")},
        ]
        bodies = [json.dumps({"jsonrpc": "2.0"} | message).encode() for message in packet]
        peer.send_bytes(b"".join(b"Content-Length: %d\r\n\r\n%b" % (len(b), b) for b in bodies))
        answer = await peer.answer(1)
        assert answer["result"]["items"][0]["insertText"] == "x_done"


def changed(version: int, text: str) -> dict[str, Any]:
    return {"textDocument": {"uri": URI, "version": version}, "contentChanges": [{"text": text}]}


async def test_importing_neither_torch_nor_transformers() -> None:
    report = """
def loaded():
    heavy = {"torch", "transformers", "aiohttp", "websockets"} & set(sys.modules)
    return sorted(heavy)
from aix_lsp.lsp.requests import lifecycle
from aix_lsp.lsp import server
server.REQUESTS["test/loaded"] = lambda session, params: loaded()
"""
    async with running(report) as program:
        await program.peer.initialize()
        assert await program.peer.ask("test/loaded") == []


@pytest.mark.parametrize("given", [[], ["--no-token"], ["--token-file"]], ids=str)
@pytest.mark.parametrize("transport", ["tcp", "ws"])
async def test_sockets_from_the_command_line(transport: str, given: list[str], tmp_path: Path) -> None:
    """The address and a secret token are printed as one JSON line; the process exits cleanly."""
    if given == ["--token-file"]:
        (tmp_path / "token").write_text("secret\n")
        given = [*given, str(tmp_path / "token")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aix_lsp", f"--{transport}", *given),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        ready = json.loads(line)
        assert ready["ready"] and ready["url"].startswith(f"{transport}://127.0.0.1:")
        assert (len(ready["token"]) >= 32) if not given else "token" not in ready
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_a_public_address_requires_a_token(transport: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "AIX_LSP_TOKEN"}
    done = subprocess.run(
        [sys.executable, "-m", "aix_lsp", f"--{transport}", "--host", "0.0.0.0"],
        capture_output=True,
        timeout=PATIENCE_S,
        env=environment,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 2
    assert b"--token-file" in done.stderr


async def test_the_program_requires_a_token_on_loopback_too() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aix_lsp", "--tcp"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "AIX_LSP_TOKEN"},
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S))
        address = urlsplit(ready["url"])
        for token, welcome in (("", False), ("wrong", False), (ready["token"], True)):
            peer = StreamPeer(*await asyncio.open_connection(address.hostname, address.port))
            params = {"processId": None, "capabilities": {}, "initializationOptions": {"token": token}}
            answer = await peer.answer(peer.request("initialize", params))
            assert ("result" in answer) is welcome
            await peer.disconnect()
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0


def test_a_port_in_use() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "aix_lsp", "--tcp", "--port", port],
            capture_output=True,
            timeout=PATIENCE_S,
            cwd=Path(__file__).parents[2],
            check=False,
        )
    assert done.returncode == 1
    assert b"--port" in done.stderr and not done.stdout


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("example.com", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_which_addresses_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
