"""What engines have found out about the tests' model, handed from a home that goes to each that comes.

A home of a test's own would else measure kernels and threads again, two seconds of a processor for each engine.
That a first start does so is proved where a home has nothing: `tests/engine/model/test_loader.py`, and the home that
most tests share.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

_MODELS = Path("cache", "models")
_MOST = 6
"""Models, or settings of one: more come from folders that exist in one test only."""


def keep_prepared(home: Path) -> None:
    """Keep what the engines of a home have prepared; they must have ended."""
    for folder in sorted((home / _MODELS).glob("*/findings.json")):
        kept = _store() / folder.parent.name
        if not kept.exists() and len(list(_store().iterdir())) < _MOST:
            shutil.copytree(folder.parent, kept)


def take_prepared(home: Path) -> None:
    """Give it to a home, unless engines have prepared models there themselves."""
    if any(_store().iterdir()) and not (home / _MODELS).exists():
        shutil.copytree(_store(), home / _MODELS)


@cache
def _store() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="aix-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
