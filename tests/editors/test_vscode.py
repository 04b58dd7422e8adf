"""The VS Code extension in the real workbench, against the real server and the embedded model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors import workbench
from tests.editors.workbench import Workbench
from tests.slow_engine import GROWING, slowed_engine

pytestmark = [pytest.mark.slow_editor, pytest.mark.timeout(400)]

SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, engine_home: Path) -> Iterator[Workbench]:
    with workbench.opened(tmp_path_factory.mktemp("vscode"), engine_home, "edited.py", SOURCE) as window:
        yield window


@pytest.fixture
def window(opened: Workbench) -> Workbench:
    """The window with the file as it was, and the cursor at its end."""
    start(opened, SOURCE)
    return opened


def _put(window: Workbench, text: str) -> None:
    window.do("press", key="Control+a")
    if text:
        window.do("paste", text=text)
    else:
        window.do("press", key="Delete")


def start(window: Workbench, text: str) -> None:
    """Put `text` into the editor, with the cursor at its end and no suggestion."""
    window.do("press", key="Escape")
    _put(window, text)

    def alone() -> bool:
        if window.do("ghost") or window.do("popup"):
            window.do("press", key="Escape")
            return False
        if "".join(window.do("lines")) != text.replace("\n", ""):
            _put(window, text)  # while a popup closes, pasting does nothing
            return False
        return True

    window.wait(alone, "the text without a suggestion")


def shown(window: Workbench) -> str:
    """The editor's lines without ghost text."""
    text = "".join(window.do("lines"))
    first = window.do("ghost").split("\n")[0]
    return text.removesuffix(first) if first else text


def settled_ghost(window: Workbench, within: float = 60) -> str:
    """The ghost text once it has been the same ten times in a row."""
    seen: list[str] = []

    def same() -> bool:
        seen.append(window.do("ghost"))
        return len(seen) > 10 and bool(seen[-1]) and len(set(seen[-10:])) == 1

    window.wait(same, "ghost text", within)
    return seen[-1]


def states_since_text(window: Workbench) -> list[str]:
    """Every state of the ghost text since it first appeared; "" where it had disappeared in between."""
    states = list(window.do("ghosts"))
    return states[next((index for index, text in enumerate(states) if text), len(states)) :]


def test_ghost_text_is_shown_accepted_and_saved(window: Workbench) -> None:
    window.do("type", text=" ")
    ghost = settled_ghost(window)
    window.do("screenshot", path=str(window.home / "ghost.png"))
    window.do("press", key="Tab")
    window.wait(lambda: window.do("ghost") != ghost, "accepted text")
    assert window.saved().startswith(SOURCE + " " + ghost)
    assert "ms" in window.wait(lambda: "ms" in window.do("status") and window.do("status"), "latency")


def test_streaming_grows_without_flicker(window: Workbench, engine_home: Path) -> None:
    """The first words at once, then more: the text on the line only grows; the last update may remove its tail."""
    longest: list[str] = []
    with slowed_engine(engine_home):
        for text in GROWING:
            start(window, text[:-1])
            window.do("forget")
            window.do("type", text=text[-1])
            settled_ghost(window)
            lines = [state.split("\n")[0] for state in states_since_text(window)]
            grown = lines[:-1] if len(lines) > 1 and lines[-2].startswith(lines[-1]) else lines
            assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(grown)), lines
            longest = max(longest, list(dict.fromkeys(lines)), key=len)
    assert len(longest) > 1, f"no text came in pieces: {longest}"


def test_word_by_word(window: Workbench) -> None:
    text = "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        "
    start(window, text[:-1])
    window.do("type", text=" ")
    ghost = settled_ghost(window)
    window.do("press", key="Control+ArrowRight")
    window.wait(lambda: window.do("ghost") != ghost, "an accepted word")
    word = shown(window).removeprefix(text.replace("\n", ""))
    assert ghost.startswith(word.strip()) and len(word.split()) <= 1, (word, ghost)


def test_line_by_line(window: Workbench) -> None:
    window.do("type", text=" ")
    ghost = settled_ghost(window)
    window.do("press", key="Control+Alt+ArrowRight")
    window.wait(lambda: window.do("ghost") != ghost, "an accepted line")
    assert window.saved().startswith(SOURCE + " " + ghost.split("\n")[0])


def test_next_and_previous_candidate(window: Workbench) -> None:
    """An explicit request returns all candidates, and the keys cycle through them. At some position they differ."""
    for text in GROWING:
        start(window, text)
        window.do("press", key="Alt+\\")
        first = settled_ghost(window)
        window.do("press", key="Alt+]")
        if second := other_ghost(window, first):
            break
    else:
        pytest.fail("no place had another candidate")
    window.do("press", key="Alt+[")
    window.wait(lambda: window.do("ghost") == first, "the first candidate again")
    window.do("press", key="Alt+]")
    window.wait(lambda: window.do("ghost") == second, "the second candidate again")
    window.do("press", key="Tab")
    window.wait(lambda: window.do("ghost") != second, "accepted text")
    assert "".join(window.saved().split()).startswith("".join((text + second).split()))


def other_ghost(window: Workbench, first: str) -> str:
    """The ghost text that replaces `first`; empty if none does."""
    try:
        window.wait(lambda: window.do("ghost") not in ("", first), "another candidate", within=10)
    except AssertionError:
        return ""
    return settled_ghost(window)


def test_explicit_request_with_the_popup_open(window: Workbench) -> None:
    window.do("type", text=" ")
    settled_ghost(window)
    window.do("press", key="Control+Space")
    window.wait(lambda: window.do("popup"), "the popup")
    window.do("press", key="Alt+\\")
    window.wait(lambda: not window.do("popup") and window.do("ghost"), "ghost text, no popup")


def test_dismiss(window: Workbench) -> None:
    window.do("type", text=" ")
    settled_ghost(window)
    window.do("press", key="Escape")
    window.wait(lambda: not window.do("ghost"), "no ghost text")
    assert window.saved().rstrip() == SOURCE


def test_a_dismissed_suggestion_returns_when_the_text_is_typed_again(window: Workbench) -> None:
    """The same line at the same position, without VS Code having rendered anything in between."""
    window.do("type", text=" ")
    for _ in range(5):
        settled_ghost(window, within=15)
        window.do("press", key="Escape")
        window.wait(lambda: not window.do("ghost"), "no ghost text")
        _put(window, SOURCE)
        window.do("type", text=" ")
    settled_ghost(window, within=15)


def test_fast_typing_inserts_nothing_stale_and_doubles_no_bracket(window: Workbench) -> None:
    start(window, "")
    text = "values = [1, 2, 3]\nfor value in values:\nprint(value"
    window.do("type", text=text)
    window.wait(lambda: "print(value" in "".join(window.do("lines")), "the typed text")
    saved, typed = "".join(window.saved().split()), "".join(text.split())
    # A busy window inserts several keys at once as one text, and does not close its last bracket.
    assert saved in (typed, typed + ")"), saved


def test_no_doubled_bracket(window: Workbench) -> None:
    start(window, "values = [1, 2, 3]\nfor value in values:\n    print")
    window.do("type", text="(")
    window.wait(lambda: window.do("ghost") or window.do("popup"), "ghost text or the popup")
    before = shown(window)
    window.do("press", key="Tab")
    window.wait(lambda: len(shown(window)) > len(before), "accepted text")
    saved = window.saved()
    assert saved.count("(") == saved.count(")") > 0, saved


def test_popup_menu_pause_and_language(window: Workbench) -> None:
    window.do("type", text=" ")
    settled_ghost(window)
    window.do("press", key="Control+Space")
    window.wait(lambda: any("aix" in row for row in window.do("popup")), "our entry in the popup")
    window.do("press", key="Escape")
    window.do("command", title="aix-lsp: Pause or Resume")
    window.wait(lambda: "paused" in window.do("status"), "a paused status")
    window.do("command", title="aix-lsp: Menu")
    wanted = (
        "Resume",
        "Turn off for python",
        "Choose a model",
        "Statistics",
        "Show log",
        "Restart the server",
    )
    window.wait(lambda: all(any(w in label for label in window.do("quickpick")) for w in wanted), "the menu")
    window.do("press", key="Enter")
    window.wait(lambda: "embedded" in window.do("status"), "a resumed status")
    start(window, SOURCE)
    window.do("type", text=" ")
    settled_ghost(window)
    window.do("command", title="aix-lsp: Turn On or Off for This Language")
    file = window.home / "user" / "User" / "settings.json"
    window.wait(lambda: '"enabled": false' in file.read_text(), "the language switched off")
    window.do("command", title="aix-lsp: Turn On or Off for This Language")
    window.wait(lambda: '"enabled": true' in file.read_text(), "the language switched on")


def test_restart_and_walkthrough(window: Workbench) -> None:
    window.do("command", title="aix-lsp: Restart the Server")
    window.wait(lambda: "embedded" not in window.do("status"), "a server that starts again")
    window.wait(lambda: "embedded" in window.do("status"), "the model", 120)
    window.do("type", text=" ")
    settled_ghost(window)
    window.do("command", title="aix-lsp: Getting Started")
    steps = {"Install the server", "Type, and accept what fits", "Choose a model"}
    selector = ".getting-started-step .step-title"
    window.wait(
        lambda: steps <= {text.strip() for text in window.do("texts", selector=selector)}, "its steps"
    )
