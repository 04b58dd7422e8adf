"""`make demo`: the real server, the real engine and the embedded model, at work in the terminal.

Starts the server over stdio as an editor does, opens benchmarks/data/ledger.py, types into it with a person's rhythm,
and shows the suggestions as they stream in. Exit status 0 only if some came from the model.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.demo_report import Outcome, figures, header, summary
from benchmarks.pane import Screen, View
from tests.client.editor import Editor
from tests.client.engine_watch import EngineClient, end_engines, wait_until_gone
from tests.client.ghost import GhostTyping, Keystroke
from tests.client.readiness import NotReady, wait_until_ready
from tests.client.typist import Typist

SOURCE = Path(__file__).parent / "data" / "ledger.py"

LEAST_ACCEPTED = 6
"""Characters that a suggestion must save before a person presses Tab."""

PATIENCE_S = 1.5
"""Seconds that a person waits for the end of a suggestion that looks right so far."""


@dataclass(frozen=True)
class Stretch:
    """A text that a person intends to type, after a given place in the file."""

    after: str
    goal: str


STRETCHES = (
    Stretch(
        after="        self.transactions.append(transaction)\n",
        goal="\n    def remove(self, transaction: Transaction) -> None:\n"
        "        if not transaction.touches(self.name):\n"
        '            raise LedgerError(f"{transaction.text!r} does not touch {self.name}")\n'
        "        self.transactions.remove(transaction)\n",
    ),
    Stretch(
        after="        return self.accounts[name]\n",
        goal="\n    def close_account(self, name: str) -> Account:\n"
        "        account = self.account(name)\n"
        "        if account.balance() != 0:\n"
        '            raise LedgerError(f"{name} is not empty")\n'
        "        del self.accounts[name]\n"
        "        return account\n",
    ),
    Stretch(
        after="        return sum(self.balances().values(), Decimal(0))\n",
        goal="\n    def names(self) -> list[str]:\n        return [account.name for account in self]\n",
    ),
    Stretch(
        after='    return "\\n".join([ledger.name, "-" * (width + 14), *lines])\n',
        goal='\n\nif __name__ == "__main__":\n    ledger = Ledger("club")\n    print(report(ledger))\n',
    ),
)


class Demo:
    """Types the stretches and shows the suggestions."""

    def __init__(self, editor: Editor, screen: Screen) -> None:
        self.editor = editor
        self.screen = screen
        self.rhythm = random.Random(7)
        self.buffer = editor.open(SOURCE)
        self.view = View(self.buffer, SOURCE.name)
        self.footer: list[str] = []

    async def run(self) -> list[Outcome]:
        return [await self._stretch(stretch) for stretch in STRETCHES]

    async def _stretch(self, stretch: Stretch) -> Outcome:
        """Type one stretch, with Tab wherever the suggestion is what the person had in mind."""
        self.buffer.move(self.buffer.find(stretch.after, after=True))
        typist = Typist(self.buffer, stretch.goal, auto_close=False)
        typing = GhostTyping(self.editor, self.buffer)
        outcome = Outcome(typing.strokes)
        self.footer = []
        while typist.remaining:
            before = len(typist.remaining)
            key, changes = typist.step()
            self.editor.changed(self.buffer, changes)
            outcome.typed += before - len(typist.remaining)
            typing.ask(key)
            await self._watch(typing, self.rhythm.uniform(0.03, 0.08) * (3 if key == "enter" else 1))
            await self._accept_if_wanted(typing, typist, outcome)
        await typing.last.settled()
        if not outcome.tabs and outcome.suggested:
            seen = outcome.suggested[-1]
            self._note(seen, "seen", seen.ghost)
        self.view.ghost = ""
        self.screen.keep([*self.view.lines(self.screen), *self.footer])
        self.screen.say()
        return outcome

    async def _accept_if_wanted(self, typing: GhostTyping, typist: Typist, outcome: Outcome) -> None:
        if not wanted(typing.shown(), typist.remaining):
            return
        end = time.monotonic() + PATIENCE_S
        while not typing.last.done and wanted(typing.shown(), typist.remaining) and time.monotonic() < end:
            await self._watch(typing, 0.02)
        count = wanted(typing.last.ghost, typist.remaining)
        if typing.last.item is None or not count:
            return
        await self._watch(typing, 0.4)
        whole = count == len(typing.last.ghost)
        self._note(typing.last, "Tab" if whole else "Ctrl+→", typing.last.ghost[:count])
        start = self.buffer.cursor
        typing.tab(count)
        typist.skip(count)
        outcome.tabs += 1
        outcome.accepted += count
        self.view.accepted.append((start, start + count))
        typing.ask("tab")
        await self._watch(typing, 0.2)

    def _note(self, stroke: Keystroke, label: str, text: str) -> None:
        if not self.footer:
            self.footer.append(header(self.screen))
        self.footer.append(figures(stroke, label, text, self.screen))

    async def _watch(self, typing: GhostTyping, seconds: float) -> None:
        """Wait, showing the ghost text as it grows."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.view.ghost = typing.shown()
            self.screen.redraw([*self.view.lines(self.screen), *self.footer])
            await asyncio.sleep(min(left, 0.02))


def wanted(ghost: str, remaining: str) -> int:
    """How many characters of a suggestion a person accepts: those that were going to be typed, in whole words."""
    same = 0
    while same < min(len(ghost), len(remaining)) and ghost[same] == remaining[same]:
        same += 1
    if same < len(ghost):
        while same and ghost[same - 1].isalnum() and ghost[same].isalnum():
            same -= 1
        same = len(ghost[:same].rstrip())
    return same if same >= LEAST_ACCEPTED else 0


class Loading:
    """Shows the engine's loading progress, and the time that it has taken."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.status: dict[str, Any] = {"state": "starting"}
        self.began = time.perf_counter()

    def note(self, status: dict[str, Any]) -> None:
        self.status = status

    async def tick(self) -> None:
        """Redraw until cancelled."""
        while True:
            self.screen.redraw([self.line()])
            await asyncio.sleep(0.1)

    def line(self) -> str:
        style, fraction = self.screen.style, self.status.get("fraction")
        bar = ""
        if fraction is not None:
            full = round(fraction * 24)
            bar = f"{'━' * full}{style.dim}{'━' * (24 - full)}{style.reset} {fraction:4.0%}  "
        what = self.status.get("message") or self.status["state"]
        return f"  engine  {bar}{what} {style.dim}{time.perf_counter() - self.began:.1f} s{style.reset}"


async def load(editor: Editor, screen: Screen) -> None:
    """Wait for the engine, showing its progress."""
    loading = Loading(screen)
    ticking = asyncio.create_task(loading.tick())
    try:
        status = await wait_until_ready(editor, loading.note)
    finally:
        ticking.cancel()
    seconds = time.perf_counter() - loading.began
    screen.keep([f"  engine  ready after {seconds:.1f} s: model {status['model']}, in a process of its own"])
    screen.say()


async def demo(screen: Screen, home: Path) -> int:
    """Run the whole demo; returns the exit status."""
    style = screen.style
    screen.say(
        f"{style.bold}aix-lsp{style.reset}: the real server, engine and model; nothing is downloaded.\n"
    )
    started = time.perf_counter()
    async with await Editor.start(home) as editor:
        await editor.initialize(root=SOURCE.parent, options={"idleExitS": 1})
        milliseconds = (time.perf_counter() - started) * 1000
        screen.say(f"  server  answered initialize {milliseconds:.0f} ms after its start")
        await load(editor, screen)
        screen.say(
            "  Somebody types into a Python file; the model suggests how it goes on. What fits is taken:"
        )
        green = f"{style.green}green{style.reset} text" if screen.live else "some text"
        screen.say(f"  {green} came by Tab (all of a suggestion) or Ctrl+→ (its first words).\n")
        outcomes = await Demo(editor, screen).run()
        async with EngineClient(home) as engine:
            metrics = await engine.metrics()
    await wait_until_gone(home)
    for line in summary(outcomes, metrics, screen):
        screen.say(line)
    return 0 if any(s.data.get("source") == "model" for o in outcomes for s in o.suggested) else 1


def main() -> int:
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    screen = Screen(sys.stdout)
    with tempfile.TemporaryDirectory(prefix="aix-demo-", ignore_cleanup_errors=True) as home:
        try:
            status = asyncio.run(demo(screen, Path(home)))
        except NotReady as error:
            screen.say(f"The engine did not get ready: {error}")
            return 1
        except KeyboardInterrupt:
            return 130
        finally:
            end_engines(Path(home))
    if status:
        screen.say("No suggestion came from the model.")
    return status


if __name__ == "__main__":
    sys.exit(main())
