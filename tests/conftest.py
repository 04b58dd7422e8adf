"""Fixtures shared by tests of all folders: one home, and so one engine, for all tests that run the program."""

from __future__ import annotations

import gc
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
from tests.models.prepared import keep_prepared, share_model, take_prepared

gc.disable()  # while tests are collected, a fifth faster without it; see `pytest_collection_finish`

# Before anything reads the variable, here and in every process that tests start.
share_model()
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes of a parallel run share the cores already

# No deadline for an example: on a busy machine any of them can take long.
# CI uses the same examples each time: a new failing example is a find, but no reason to reject an unrelated
# change.
hypothesis.settings.register_profile("any machine", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("any machine")


LONGEST = (
    "serve/test_server.py",
    "engine/model/test_older_cpus.py",
    "end_to_end/test_bad_surroundings.py",
    "editors/test_choose_model.py",
    "backends/test_launch.py",
    "trust/test_code.py",
    "training/test_loop.py",
    "engine/test_process.py",
    "benchmarks/test_campaign.py",
    "cluster/test_cluster.py",
    "engine/model/test_loader.py",
    "lsp/test_stdio.py",
    "models/test_get.py",
    "editors/test_neovim_commands.py",
    "test_cli.py",
    "training/test_adapt.py",
    "privacy/test_adversary.py",
    "privacy/test_heldout.py",
    "engine/test_watchdog.py",
    "editors/test_emacs.py",
    "engine/model/test_families.py",
    "benchmarks/replay/test_run.py",
    "trust/test_hostile_files.py",
)
"""The slowest files. They run first, so that no process is left alone with one at the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {str(Path(__file__).parent / name): place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(str(item.path), len(places)))


def pytest_collection_finish() -> None:
    """Freeze all objects so far, which live to the end: full garbage collections need not traverse them."""
    gc.freeze()
    gc.enable()


_engine_homes: list[Path] = []
"""The home that all ordinary tests share, while it exists."""


def make_home(*, prepared: bool = True) -> Path:
    """A home with a path short enough for a Unix socket; `prepared` copies what earlier engines have measured."""
    home = Path(tempfile.mkdtemp(prefix="aix-"))
    if prepared:
        for shared in _engine_homes:
            keep_prepared(shared)
        take_prepared(home)
    return home


def remove_home(home: Path) -> None:
    """Remove a home, and end any engine that still runs for it."""
    end_engines(home)
    keep_prepared(home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_known_secrets() -> Iterator[None]:
    """Forget secrets recognised in one test, so that they do not affect another."""
    yield
    known.forget()


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo the logging set up by commands in this process: a level of "error" would empty every later `caplog`."""
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
    home = make_home(prepared=False)
    _engine_homes.append(home)
    yield home
    _engine_homes.clear()
    remove_home(home)


@pytest.fixture(scope="module")
def module_home() -> Iterator[Path]:
    """A home shared by a module's tests, for tests that switch models: each model has its own engine."""
    home = make_home()
    yield home
    remove_home(home)


@pytest.fixture
def fresh_home() -> Iterator[Path]:
    """A home for this test alone, for tests that would disturb others."""
    home = make_home()
    yield home
    remove_home(home)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone, for code that runs in this process."""
    folder = tmp_path / "home"
    monkeypatch.setenv("AIX_LSP_HOME", str(folder))
    return folder
