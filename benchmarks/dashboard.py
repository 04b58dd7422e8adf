"""Takes screenshots of a team server's page at /, wide and on a phone, while some users type.

`python -m benchmarks.dashboard [--out docs/pictures] [--seconds 120]`. Needs chromium in PATH.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
from pathlib import Path

import aiohttp

from benchmarks.scripts import scripts
from tests.serve.server import ADMIN, Server, serving

SIZES = {"dashboard": "1200,900", "dashboard-phone": "390,1640"}
USERS = {"ann": 1.0, "bob": 0.6, "eve": 0.3, "nightly": 3.0}
"""Requests per second of each user."""


async def typing(server: Server, token: str, rate: float, priority: int) -> None:
    """Request suggestions in growing texts, and cancel some requests."""
    draw, texts = random.Random(token), [script.finished for script in scripts(50)]
    async with server.session(token) as session:
        while True:
            text = draw.choice(texts)
            for cursor in range(400, min(len(text), 1200), 7):
                body = {
                    "prompt": text[:cursor],
                    "suffix": text[1200:1400],
                    "max_tokens": 24,
                    "stream": True,
                    "aix": {
                        "priority": priority,
                        "stream_key": "document",
                        "shown": 1,
                        "accepted": int(draw.random() < 0.3),
                    },
                }
                try:
                    async with session.post("/v1/completions", json=body) as answer:
                        async for line in answer.content:
                            if draw.random() < 0.02 and line.startswith(b"data"):
                                break
                except aiohttp.ClientError:
                    return
                await asyncio.sleep(draw.expovariate(rate))


async def take(browser: str, url: str, size: str, file: Path, seconds: float) -> None:
    """Take a screenshot after `seconds` of watching, which the browser's virtual time shortens."""
    process = await asyncio.create_subprocess_exec(
        *(
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--window-size={size}",
        ),
        *(f"--screenshot={file}", f"--virtual-time-budget={seconds * 1000:.0f}", url),
        stderr=asyncio.subprocess.DEVNULL,
    )
    await asyncio.wait_for(process.wait(), seconds + 120)


async def pictures(browser: str, out: Path, seconds: float) -> None:
    async with serving() as server:
        tokens = {
            name: server.token(name, "background" if name == "nightly" else "default") for name in USERS
        }
        for token in tokens.values():
            await server.known(token)
        typists = [
            asyncio.create_task(typing(server, tokens[name], rate, 3 if name == "nightly" else 1))
            for name, rate in USERS.items()
        ]
        await asyncio.sleep(10)  # to have a minute's figures
        url = f"{server.url}/#{ADMIN}"
        await asyncio.gather(
            *(take(browser, url, size, out / f"{name}.png", seconds) for name, size in SIZES.items())
        )
        for typist in typists:
            typist.cancel()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    browser = shutil.which("chromium")
    if browser is None:
        print("there is no chromium in PATH")
        return 1
    asyncio.run(pictures(browser, options.out.absolute(), options.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
