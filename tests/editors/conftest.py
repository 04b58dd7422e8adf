"""What tests of several editors share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.engine_watch import end_engines
from tests.editors.terminal import ROOT


@pytest.fixture
def another_model(tmp_path: Path, engine_home: Path) -> Iterator[Path]:
    """A model's folder beside the embedded one, whose engine does not outlive the test."""
    folder = tmp_path / "another"
    shutil.copytree(ROOT / "aix_lsp" / "embedded", folder)
    yield folder
    end_engines(engine_home, str(folder))
