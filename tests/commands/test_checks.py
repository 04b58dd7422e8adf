"""`aix-lsp doctor` checks the editors that it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from aix_lsp.commands import checks
from aix_lsp.settings import Settings


def test_editors_and_how_each_is_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs, config = tmp_path / "bin", tmp_path / "config"
    for name in ("nvim", "hx", "zed"):
        (programs / name).parent.mkdir(exist_ok=True)
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    written = config / "nvim" / "plugin" / "aix-lsp.lua"
    written.parent.mkdir(parents=True)
    written.write_text("-- aix-lsp\n")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    told = {Path(finding.found.split(":")[0]).name: finding.found for finding in checks.editors()}
    assert told["nvim"].endswith(f"set up in {written}")
    assert told["hx"].endswith("run `aix-lsp init helix` for instructions, or with --write to set it up")
    assert told["zed"].endswith("run `aix-lsp init zed` for instructions")


def test_no_editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [finding] = checks.editors()
    assert "aix-lsp init --help" in finding.found


def test_a_missing_model_folder(tmp_path: Path) -> None:
    finding = checks.model(Settings(model=str(tmp_path / "gone")))
    assert finding.fatal and "is neither a folder nor a GGUF file" in finding.found
    assert not checks.model(Settings(model="Qwen/Qwen2.5-Coder-0.5B")).remedy


def test_what_is_wrong_with_a_gguf_file_is_left_to_the_engine(tmp_path: Path) -> None:
    """Its message names the fault; "not a folder" would mislead."""
    file = tmp_path / "damaged.gguf"
    file.write_bytes(b"PK")
    assert not checks.model(Settings(model=str(file))).remedy
    assert checks.model(Settings(model=str(file.rename(tmp_path / "other.zip")))).fatal
