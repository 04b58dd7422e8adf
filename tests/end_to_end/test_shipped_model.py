"""The model shipped in the wheel: it loads, has one weights file, and completes. All other tests use SMALL."""

from __future__ import annotations

from pathlib import Path

import aix_lsp
from tests.client.editor import Editor
from tests.client.engine_watch import EngineClient
from tests.client.lsp import inline_items
from tests.client.readiness import wait_until_ready
from tests.end_to_end.conftest import PATIENT, SOURCE

SHIPPED = Path(aix_lsp.__file__).parent / "embedded"
LARGEST = 90 << 20
"""In bytes: PyPI accepts wheels of up to 100 MB."""


def test_it_fits_into_a_wheel_and_names_a_licence() -> None:
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < LARGEST
    assert "licence" in (SHIPPED / "README.md").read_text()


async def test_it_completes(fresh_home: Path) -> None:
    async with await Editor.start(fresh_home, env={"AIX_LSP_EMBEDDED": ""}) as editor:
        await editor.initialize(options=PATIENT)
        await wait_until_ready(editor)
        async with EngineClient(fresh_home) as engine:
            model = (await engine.health())["model"]
        assert model["fim"] is True
        assert inline_items(await editor.inline(editor.open(None, SOURCE), "invoked").result())
