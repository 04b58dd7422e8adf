"""The page at / is self-contained, shows existing metrics, and works in a real browser."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from pathlib import Path

import aiohttp
import pytest

import aix_lsp.serve
from aix_lsp.engine.http.api import Service
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.state import Presence, StateBoard
from aix_lsp.serve.app import ServeMetrics
from aix_lsp.serve.dashboard import dashboard_app, serve
from tests.engine.http.host import serving as serving_engine
from tests.serve.server import ADMIN, ask, serving

PAGE = (Path(aix_lsp.serve.__file__).parent / "page.html").read_text("utf-8")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in _BROWSERS if (found := shutil.which(name))), "")
needs_browser = pytest.mark.skipif(not BROWSER, reason="no chromium")


def test_it_loads_nothing_from_elsewhere() -> None:
    for url in re.findall(r"https?://\S+|//[a-z]\S+\.\S+", PAGE):
        assert url.startswith('http://www.w3.org/2000/svg"')
    assert not re.search(r"<(link|img|iframe|script src)|@import|url\(", PAGE)


def test_it_uses_existing_metrics() -> None:
    service = Service(StateBoard({}), Presence(), EngineMetrics())
    ServeMetrics(service)
    known = {family.name for family in service.metrics.registry.collect()}
    asked = {re.sub(r"_(total|count|bucket)$", "", name) for name in re.findall(r"\baix_\w+", PAGE)}
    assert len(asked) > 10 and asked <= known


async def rendered(url: str, *more: str) -> str:
    """The page's DOM after it has refreshed a few times."""
    browser = await asyncio.create_subprocess_exec(
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=390,800", *more),
        *("--virtual-time-budget=9000", "--dump-dom", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await asyncio.wait_for(browser.communicate(), 90)
    return out.decode()


def cells(document: str, table: str) -> list[list[str]]:
    [body] = re.findall(rf'<tbody id="{table}">(.*?)</tbody>', document, re.DOTALL)
    return [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", body)]


@needs_browser
@pytest.mark.skipif(sys.platform == "win32", reason="the server needs handed-over sockets")
async def test_a_browser_shows_the_teams_figures() -> None:
    async with serving() as server:
        token = server.token("ann")
        await server.known(token)
        async with server.session(token) as session:
            for _ in range(3):
                assert (await ask(session, aix={"shown": 2, "accepted": 1}))[0] == 200
        document = await rendered(f"{server.url}/#{ADMIN}")
        refused = await rendered(f"{server.url}/#wrong")
    assert re.search(r'id="state"[^>]*>ready<', document) and ADMIN not in document
    assert [row[0] for row in cells(document, "users")] == ["ann"]
    [[name, p50, _, _]] = cells(document, "first")
    assert name == "typed" and (p50 == "–" or p50.startswith("≤"))
    assert 'id="accepted" class="figure">50 %<' in document and "accepted 3 of 6" in document
    assert "answers with 401" in document or cells(document, "trouble")
    assert "administrator's token" in refused and '<main id="figures" hidden' in refused


@needs_browser
async def test_a_browser_shows_the_local_engines_figures() -> None:
    async with serving_engine() as host:
        await host.post(prompt="x", max_tokens=3)
        addresses: list[str] = []

        async def figures() -> object:
            async with host.session.get("/aix/status") as answer:
                return await answer.json()

        running = asyncio.create_task(serve(figures, 0, addresses.append))
        async with asyncio.timeout(60):
            while not addresses:
                await asyncio.sleep(0.01)
        document = await rendered(addresses[0])
        running.cancel()
        await running
    assert re.search(r'id="state"[^>]*>ready<', document)
    assert cells(document, "first")[0][0] == "all" and cells(document, "users") == [["nobody yet"]]


async def test_the_figures_require_the_printed_address() -> None:
    async def away() -> object:
        raise OSError("no engine runs")

    addresses: list[str] = []
    running = asyncio.create_task(serve(away, 0, addresses.append))
    async with asyncio.timeout(60):
        while not addresses:
            await asyncio.sleep(0.01)
    url, _, token = addresses[0].partition("#")
    async with aiohttp.ClientSession(url) as session:
        async with session.get("/") as page:
            assert page.status == 200 and "default-src 'none'" in page.headers["content-security-policy"]
        for given, status in (("", 401), ("wrong", 401), (token, 503)):
            async with session.get("/admin/status", headers={"authorization": f"Bearer {given}"}) as answer:
                assert answer.status == status
    running.cancel()
    await running
    assert dashboard_app(away, token).routes
