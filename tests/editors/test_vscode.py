"""The VS Code extension in the real workbench, against the real server and the embedded model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors import workbench
from tests.editors.workbench import Workbench

pytestmark = [pytest.mark.slow_editor, pytest.mark.timeout(400)]

SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, engine_home: Path) -> Iterator[Workbench]:
    if missing := workbench.missing():
        pytest.skip(missing)
    window = Workbench(tmp_path_factory.mktemp("vscode"), engine_home, "edited.py", SOURCE)
    window.wait(lambda: "embedded" in window.do("status"), "a status bar with the model", 240)
    yield window
    window.close()


@pytest.fixture
def window(opened: Workbench) -> Workbench:
    """The window with the file as it was, and the cursor at its end."""
    start(opened, SOURCE)
    return opened


def start(window: Workbench, text: str) -> None:
    window.do("press", key="Escape")
    window.do("press", key="Control+a")
    if text:
        window.do("insert", text=text)
    else:
        window.do("press", key="Delete")
    window.wait(lambda: "".join(window.do("lines")).startswith(text.replace("\n", "")), "the text")
    window.do("press", key="Escape")
    window.wait(lambda: not window.do("ghost"), "no ghost text")


def settled_ghost(window: Workbench) -> str:
    seen = [""]

    def same() -> bool:
        now, before = window.do("ghost"), seen[0]
        seen[0] = now
        return bool(now) and now == before

    window.wait(same, "ghost text")
    return seen[0]


def shown_states(window: Workbench) -> list[str]:
    """Every state of the ghost text since it first appeared; "" where it was gone in between."""
    states = list(window.do("ghosts"))
    return states[next((index for index, text in enumerate(states) if text), len(states)) :]


def test_ghost_text_is_shown_accepted_and_saved(window: Workbench) -> None:
    window.do("type", text=" ")
    ghost = settled_ghost(window)
    window.do("screenshot", path=str(window.home / "ghost.png"))
    window.do("press", key="Tab")
    window.wait(lambda: window.do("ghost") == "" or window.do("ghost") != ghost, "accepted text")
    assert window.saved().startswith(SOURCE + " " + ghost.split("\n")[0])
    assert "ms" in window.wait(lambda: "ms" in window.do("status") and window.do("status"), "latency")


def test_streaming_grows_without_flicker(window: Workbench) -> None:
    start(window, "")
    window.do("forget")
    window.do("insert", text="def mean(values):\n    total = 0\n    for value in values:\n        ")
    window.wait(lambda: len(shown_states(window)) > 1, "growing ghost text")
    settled_ghost(window)
    states = shown_states(window)
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(states)), states


def test_fast_typing_inserts_nothing_stale_and_doubles_no_bracket(window: Workbench) -> None:
    text = " a\n\nvalues = [1, 2, 3]\nfor value in values:\nprint(value"
    window.do("type", text=text)
    window.wait(lambda: "print(value" in "".join(window.do("lines")), "the typed text")
    saved = window.saved()
    assert saved.count("(") == saved.count(")") and saved.count("[") == saved.count("]"), saved
    assert "".join(saved.split()).startswith("".join((SOURCE + text).split())), saved


def test_popup_menu_and_pause(window: Workbench) -> None:
    window.do("type", text=" ")
    settled_ghost(window)
    window.do("press", key="Control+Space")
    window.wait(lambda: any("aix" in row for row in window.do("popup")), "our entry in the popup")
    window.do("press", key="Escape")
    window.do("command", title="aix-lsp: Pause or Resume")
    window.wait(lambda: "paused" in window.do("status"), "a paused status")
    window.do("command", title="aix-lsp: Menu")
    window.wait(lambda: any("Resume" in label for label in window.do("quickpick")), "the menu")
