"""Prepared files of an earlier start that are forged or damaged: they are deleted and rebuilt, and never block."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models

from aix_lsp.engine.model.assembled import read_prepared
from aix_lsp.engine.model.attention import Form
from aix_lsp.engine.model.kernel_choice import ALL_FLOAT32
from aix_lsp.engine.model.lean import Dimensions
from aix_lsp.engine.model.lean_state import LeanConfig, LeanState
from aix_lsp.engine.model.prepared import _FILES, Findings, Prepared, prepared
from aix_lsp.engine.model.threads import Threads
from tests.test_files import HOSTILE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
CONFIG = LeanConfig(Dimensions(4, 2, 16, "silu"), [Form(0.5)], [True], ALL_FLOAT32)
FINDINGS = Findings(CONFIG, agreement="equal", context=64, ends=frozenset({1}))


def state(**repacked: torch.Tensor) -> LeanState:
    return LeanState(CONFIG, {"a": torch.zeros(2)}, repacked)


@pytest.fixture(name="kept")
def _kept(tmp_path: Path) -> Prepared:
    kept = Prepared(tmp_path / "models" / "m")
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[])).to_str()
    assert kept.write(FINDINGS, state(b=torch.zeros(2)), tokenizer)
    found = kept.read()
    assert found is not None and found.findings == FINDINGS
    return kept


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", _FILES)
def test_anything_but_a_regular_file(kept: Prepared, name: str, make: Callable[[Path], None]) -> None:
    (kept.folder / name).unlink()
    make(kept.folder / name)
    assert kept.read() is None
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[])).to_str()
    assert kept.write(FINDINGS, state(), tokenizer)
    assert kept.read() is not None


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_anything_may_lie_at_the_folders_path(kept: Prepared, make: Callable[[Path], None]) -> None:
    kept.remove()
    make(kept.folder)
    assert kept.read() is None
    assert kept.write(FINDINGS, state(), Tokenizer(models.BPE()).to_str())
    assert kept.read() is not None


WRONG: dict[str, Any] = {
    "context": "64",
    "ends": [["x"]],
    "threads": {"few": "x"},
    "config": [],
    "agreement": None,
    "no such field": 1,
}


@pytest.mark.parametrize("name", WRONG)
def test_findings_of_wrong_types(kept: Prepared, name: str) -> None:
    file = kept.folder / "findings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {name: WRONG[name]}))
    if name == "no such field":
        assert kept.read() is not None
        return
    assert kept.read() is None and not kept.folder.exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", "[" * 100_000, '{"a":' * 100_000, "\ufeff", "\0"]
)
def test_invalid_findings(kept: Prepared, text: str) -> None:
    (kept.folder / "findings.json").write_text(text)
    assert kept.read() is None and not kept.folder.exists()


def test_findings_of_another_model(kept: Prepared) -> None:
    assert read_prepared(kept) is None
    assert not kept.folder.exists()


def test_thread_counts_are_saved_whatever_else_is_in_the_folder(kept: Prepared) -> None:
    kept.note_threads(Threads(1, 2))
    found = kept.read()
    assert found is not None and found.findings.threads == Threads(1, 2)
    (kept.folder / "findings.json").write_text("[]")
    kept.note_threads(Threads(1, 2))
    assert kept.read() is None


@pytest.mark.parametrize(
    ("place", "other"),
    [
        ("aix_lsp.engine.model.prepared.cpu_name", lambda: "another CPU"),
        ("torch.backends.cpu.get_cpu_capability", lambda: "ANOTHER"),
        ("torch.cpu.get_capabilities", lambda: {"another": True}),
        ("os.cpu_count", lambda: 1000),
        ("torch.__version__", "0.0"),
        ("importlib.metadata.version", lambda name: "0.0"),
        ("aix_lsp.__version__", "0.0"),
    ],
)
def test_another_cpu_or_version_is_another_preparation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, other: object
) -> None:
    """Which kernels are correct and fast was found out on the former."""
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    before = prepared([weights]).folder
    assert prepared([weights]).folder == before
    monkeypatch.setattr(place, other, raising=False)
    assert prepared([weights]).folder != before
