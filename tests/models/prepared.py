"""A folder shared by all processes of a test run: the tests' model, and what engines have measured for models.

Without it, each engine in a new home would measure kernels and threads again, two seconds of CPU time each. So
measurements are copied from one home to the next. First starts are still tested, in homes with nothing prepared:
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
"""The most models (or settings of one) kept: further ones are from folders that exist in a single test."""


def share_model() -> None:
    """Make every process started from here use the tests' model as the embedded one.

    The model is copied to outside the checkout: a program ignores environment variables that name something in the
    folder it is started in, and most tests start programs in the checkout.
    """
    model = _folder() / SMALL.name
    if not model.exists():
        shutil.copytree(SMALL, model)
    os.environ["AIX_LSP_EMBEDDED"] = str(model)


def keep_prepared(home: Path) -> None:
    """Keep what the engines of a home have prepared, for other homes."""
    for findings in sorted((home / _MODELS).glob("[!n]*/findings.json")):
        kept = _store() / findings.parent.name
        if not kept.exists() and len(list(_store().iterdir())) < _MOST:
            draft = Path(tempfile.mkdtemp(prefix="draft-", dir=_folder()), "model")
            with suppress(OSError):  # another process has kept the same, or the engine has deleted it
                shutil.copytree(findings.parent, draft, copy_function=_link)
                draft.rename(kept)
            shutil.rmtree(draft.parent)


def take_prepared(home: Path) -> None:
    """Copy it into a home, unless engines have prepared models there. Nobody writes into these files."""
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
    """The folder shared by this run's processes; created by the first, from which the others are started."""
    if _FOLDER not in os.environ:
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="aix-tests-")
        atexit.register(shutil.rmtree, os.environ[_FOLDER], ignore_errors=True)
        Path(os.environ[_FOLDER], "prepared").mkdir()
    return Path(os.environ[_FOLDER])
