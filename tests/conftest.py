"""What tests of different folders share: one home, and so one engine, for all that drive the program."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from aix_lsp.privacy import known
from tests.client.engine_watch import end_engines
from tests.models import SMALL

# Before anything reads it, here and in every process that tests start.
os.environ["AIX_LSP_EMBEDDED"] = str(SMALL)

# No example is judged by how long it took: on a busy machine any can take long.
# CI draws the same examples each time: a new one that fails is a find for whoever looks, not a reason to refuse a
# change that has nothing to do with it.
hypothesis.settings.register_profile("any machine", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("any machine")


def make_home() -> Path:
    """A home with a path short enough for a Unix socket."""
    return Path(tempfile.mkdtemp(prefix="aix-"))


def remove_home(home: Path) -> None:
    """Remove a home and whatever engine still runs for it."""
    end_engines(home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_known_secrets() -> Iterator[None]:
    """What a test's documents gave away says nothing of another test's."""
    yield
    known.forget()


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what commands set up in this process: a level of "error" would empty every later `caplog`."""
    root = logging.getLogger()
    handlers, level, loud = root.handlers[:], root.level, logging.raiseExceptions
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], logging.raiseExceptions = handlers, loud
    root.setLevel(level)


@pytest.fixture(scope="session")
def engine_home() -> Iterator[Path]:
    """The home whose engine all ordinary tests share; the first that starts a server starts it."""
    home = make_home()
    yield home
    remove_home(home)


@pytest.fixture(scope="module")
def module_home() -> Iterator[Path]:
    """A home of a module's tests, for those that switch models: each model has an engine."""
    home = make_home()
    yield home
    remove_home(home)


@pytest.fixture
def fresh_home() -> Iterator[Path]:
    """A home of this test alone, for what would disturb the others."""
    home = make_home()
    yield home
    remove_home(home)
