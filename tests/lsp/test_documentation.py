"""The conformance table names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = (HERE.parents[1] / "docs" / "lsp.md").read_text(encoding="utf-8")


def test_every_named_test_exists() -> None:
    sources = {file.name: file.read_text(encoding="utf-8") for file in HERE.glob("test_*.py")}
    named = re.findall(r"`(?:(test_\w+\.py))?(?:::)?(test_\w+)?`", DOCUMENT)
    assert len(named) > 60
    for file, function in named:
        if file:
            assert file in sources
        if function:
            holding = [sources[file]] if file else sources.values()
            assert any(f"def {function}(" in source for source in holding), function


def test_every_method_is_described() -> None:
    from aix_lsp.lsp.requests.commands import COMMANDS
    from aix_lsp.lsp.server import NOTIFICATIONS, REQUESTS

    for name in [*REQUESTS, *NOTIFICATIONS, *COMMANDS]:
        assert name in DOCUMENT or name.rsplit("/", 1)[-1] in DOCUMENT, name
