"""Creates model folders for tests, and loads them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from aix_lsp.engine.model.loader import load
from aix_lsp.engine.options import EngineOptions, LoadedModel
from aix_lsp.models.catalogue import EMBEDDED
from tests.engine.families import build


def load_quietly(**options: Any) -> LoadedModel:
    return load(EngineOptions(threads=1, device="cpu", **options), lambda stage, fraction: None)


def saved(folder: Path, case: str) -> Path:
    """A tiny random model's folder, with the embedded model's tokenizer."""
    model = build(case)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(EMBEDDED / name, folder)
    return folder


def change(folder: Path, name: str, **values: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
