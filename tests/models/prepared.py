"""The folder that all processes of one test run share: the tests' model, and what engines have found out about models.

A home of a test's own would else measure kernels and threads again, two seconds of a processor for each engine, so what
was found is handed from a home to each that comes. That a first start does so is proved where a home has nothing:
`tests/engine/model/test_loader.py`, and the home that most tests share.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.models import SMALL

_FOLDER = "AIX_TESTS_FOLDER"
_MODELS = Path("cache", "models")
_MOST = 8
"""Models, or settings of one: more come from folders that exist in one test only."""


def share_model() -> None:
    """Have every process that is started from here take the tests' model for the embedded one.

    It lies outside the checkout, for a program does not believe what the environment names in the folder that it is
    started in, and most tests start theirs in the checkout.
    """
    model = _folder() / SMALL.name
    if not model.exists():
        shutil.copytree(SMALL, model)
    os.environ["AIX_LSP_EMBEDDED"] = str(model)


def keep_prepared(home: Path) -> None:
    """Keep what the engines of a home have prepared."""
    for findings in sorted((home / _MODELS).glob("[!n]*/findings.json")):
        kept = _store() / findings.parent.name
        if not kept.exists() and len(list(_store().iterdir())) < _MOST:
            draft = Path(tempfile.mkdtemp(prefix="draft-", dir=_folder()), "model")
            with suppress(OSError):  # another process has kept the same, or the engine has removed it
                shutil.copytree(findings.parent, draft, copy_function=_link)
                draft.rename(kept)
            shutil.rmtree(draft.parent)


def take_prepared(home: Path) -> None:
    """Give it to a home, unless engines have prepared models there themselves. Nobody writes into these files."""
    if any(_store().iterdir()) and not (home / _MODELS).exists():
        shutil.copytree(_store(), home / _MODELS, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _store() -> Path:
    return _folder() / "prepared"


def _folder() -> Path:
    """What this run's processes share; the first that asks, from which the others are started, makes it."""
    if _FOLDER not in os.environ:
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="aix-tests-")
        atexit.register(shutil.rmtree, os.environ[_FOLDER], ignore_errors=True)
        Path(os.environ[_FOLDER], "prepared").mkdir()
    return Path(os.environ[_FOLDER])
