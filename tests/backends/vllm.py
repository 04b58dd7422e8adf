"""vLLM's own server, where its command is named in AIX_LSP_VLLM."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

_START_S = 400.0


@asynccontextmanager
async def vllm_server(
    folder: Path, name: str, log: Path, *options: str, threads: int = 0
) -> AsyncIterator[str]:
    """The URL of a running vLLM that serves the model in `folder` as `name`, with so many threads if told."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # 1 GiB of cache, and no threads bound to cores that others use.
    settings = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        **({"OMP_NUM_THREADS": str(threads)} if threads else {}),
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            os.environ["AIX_LSP_VLLM"], "serve", str(folder), "--served-model-name", name,
            "--host", "127.0.0.1", "--port", str(port), *options,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, "HF_HUB_OFFLINE": "1", **settings},
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(_START_S):
            while not await healthy(url):
                assert process.returncode is None, f"vLLM ended at once, see {log}"
                await asyncio.sleep(0.5)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def healthy(url: str) -> bool:
    """Whether a server answers there that its model is loaded."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/health") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
