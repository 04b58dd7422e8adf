"""The VS Code extension's status bar item and its menu, in the real workbench."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.editors import workbench
from tests.editors.test_vscode import SOURCE, settled_ghost, start
from tests.editors.workbench import Workbench
from tests.models import SMALL

pytestmark = [pytest.mark.slow_editor, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory, module_home: Path) -> Iterator[Workbench]:
    with workbench.opened(tmp_path_factory.mktemp("vscode"), module_home, "edited.py", SOURCE) as window:
        yield window


def test_status_bar_shows_latency_and_acceptance(window: Workbench) -> None:
    start(window, SOURCE)
    window.do("type", text=" ")
    ghost = settled_ghost(window)
    window.do("press", key="Tab")
    window.wait(lambda: window.do("ghost") != ghost, "accepted text")
    window.do("hoverStatus")

    def told() -> bool:
        text = "".join(window.do("texts", selector=".monaco-hover"))
        return all(
            part in text for part in ("aix-lsp: ready", "Model: embedded", "First text:", "Accepted: 1 of")
        )

    window.wait(told, "state, model, latency and acceptance in the hover")


def test_a_disabled_language_gets_no_message(window: Workbench) -> None:
    """VS Code shows \"No suggestions\", because ours are the only ones."""

    def entries() -> list[str]:
        window.do("press", key="Escape")
        start(window, SOURCE)
        window.do("type", text=" ")
        window.do("press", key="Control+Space")
        message = ".suggest-widget.visible .message"
        window.wait(
            lambda: window.do("popup") or "No suggestions" in "".join(window.do("texts", selector=message)),
            "a popup",
        )
        return list(window.do("popup"))

    window.wait(entries, "entries")
    window.do("command", title="aix-lsp: Turn On or Off for This Language")
    window.wait(lambda: not entries(), "silence")
    window.do("command", title="aix-lsp: Turn On or Off for This Language")
    window.wait(entries, "entries again")


ROWS = ".quick-input-list .monaco-list-row"


def test_switches_the_model(window: Workbench, tmp_path: Path) -> None:
    def runs(model: str) -> bool:
        return model in window.do("status")

    other = tmp_path / "another"
    shutil.copytree(SMALL, other)
    for model, name in ((str(other), "another"), ("embedded", "embedded")):
        window.do("command", title="aix-lsp: Menu")
        window.wait(lambda: any("Choose a model" in label for label in window.do("quickpick")), "the menu")
        window.do("fill", text="Choose a model")
        window.wait(lambda: len(window.do("texts", selector=ROWS)) == 1, "one entry")
        window.do("press", key="Enter")
        window.wait(lambda: any("embedded" in label for label in window.do("quickpick")), "the list", 110)
        window.do("fill", text="Another")  # beyond the visible part of the list
        window.wait(lambda: len(window.do("texts", selector=ROWS)) == 1, "one entry")
        window.do("press", key="Enter")
        window.wait(lambda: "Model" in window.do("texts", selector=".quick-input-title"), "the question")
        window.do("fill", text=model)
        window.do("press", key="Enter")
        window.wait(partial(runs, name), f"the model {name}", 110)
        start(window, SOURCE)
        window.do("type", text=" ")
        settled_ghost(window)
    settings = json.loads((window.home / "user" / "Machine" / "settings.json").read_text())
    assert settings["aix.model"] == "embedded"


def test_shows_the_log(window: Workbench) -> None:
    """Only the channel: this workbench has no native logger, because no package's install script has been run."""
    window.do("command", title="aix-lsp: Show Log")
    window.wait(lambda: window.do("channel") == "aix-lsp", "the channel")
