"""`aix-lsp complete` with a server that does not exist."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from aix_lsp.commands import complete


@pytest.mark.parametrize("listening", [False, True], ids=["nobody", "one that never answers"])
def test_no_server_at_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listening: bool) -> None:
    assert complete._REMOTE_S <= 30
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    monkeypatch.setattr(complete, "_REMOTE_S", 0.5)
    source = tmp_path / "a.py"
    source.write_text("x = 1\nx", "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as there:
        url = f"http://127.0.0.1:{there.getsockname()[1]}"
        if not listening:
            there.close()
        done = CliRunner().invoke(complete.command, [str(source), "--at", "2", "--set", f"url={url}"])
    assert done.exit_code == 1
    assert "Not ready within 0.5 s" in done.output
    if not listening:
        assert f"waiting: {url} cannot be reached" in done.output
        assert "aix.url" in done.output
