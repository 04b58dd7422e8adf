"""Starts llama.cpp's and vLLM's own servers; CONTRIBUTING.md lists the variables that locate them."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.models.weights import place

ROOT = Path(__file__).parents[2]


def binary() -> Path:
    named = os.environ.get("AIX_LSP_LLAMA_SERVER") or shutil.which("llama-server")
    found = Path(named) if named else ROOT / ".cache" / "llama-server" / "llama-server"
    if not found.exists():
        pytest.skip(f"no llama-server at {found}: make llama-server, or name one in AIX_LSP_LLAMA_SERVER")
    return found


def weights() -> Path:
    found = place("qwen")
    if not found.exists():
        pytest.skip(f"no weights at {found}: name them in AIX_LSP_QWEN_GGUF")
    return found


@asynccontextmanager
async def llama_server(*options: str, context: int = 4096) -> AsyncIterator[str]:
    """The URL of a running llama-server."""
    command = (str(binary()), "-m", str(weights()), "-c", str(context), "-t", "1", "--metrics", "--slots")
    async with _serving(*command, *options, within=120) as url:
        yield url


@asynccontextmanager
async def vllm_server(
    folder: Path, name: str, log: Path, *options: str, threads: int = 0
) -> AsyncIterator[str]:
    """The URL of a running vLLM that serves the model in `folder` as `name`, on `threads` threads if given."""
    # 1 GiB of cache, and no threads pinned to cores that other processes use.
    settings = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        **({"OMP_NUM_THREADS": str(threads)} if threads else {}),
    }
    command = (os.environ["AIX_LSP_VLLM"], "serve", str(folder), "--served-model-name", name, *options)
    with log.open("wb") as output:
        async with _serving(*command, within=400, output=output, environment=settings) as url:
            yield url


@asynccontextmanager
async def _serving(
    *command: str, within: float, output: Any = subprocess.DEVNULL, environment: dict[str, str] | None = None
) -> AsyncIterator[str]:
    """The URL of a server started by `command`, once its model is loaded; the server is stopped on exit."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(*command, "--host", "127.0.0.1", "--port", str(port)),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**os.environ, **(environment or {})},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(within):
            while not await _healthy(url):
                assert process.returncode is None, f"{command[0]} ended at once"
                await asyncio.sleep(0.1)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _healthy(url: str) -> bool:
    """Whether the server at `url` reports that its model is loaded."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/health") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
