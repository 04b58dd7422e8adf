"""Fixtures shared by several tests of the backends."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aix_lsp.backends import health
from tests.backends.servers import CompletionsServer, says, serving


@pytest.fixture
async def server() -> AsyncIterator[CompletionsServer]:
    async with serving(CompletionsServer(says("4", "2"))) as running:
        yield running


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a failing server be retried at once."""
    monkeypatch.setattr(health, "_PAUSES_S", dict.fromkeys(health._PAUSES_S, (0.0,)))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    file = tmp_path / "both.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", file, "-out", file.with_suffix(".crt")],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("no openssl command")
    file.write_bytes(file.read_bytes() + file.with_suffix(".crt").read_bytes())
    return file
