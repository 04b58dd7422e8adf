"""`python -m benchmarks.replay.altered`: the real server with some of its parts taken out, for the ablation.

Arguments after `--` go to `aix-lsp`. The server itself has no such switches, since only measurements need them.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aix_lsp import statistics
from aix_lsp.cli import main as serve
from aix_lsp.completion.context.provider import ContextProvider
from aix_lsp.completion.generation_cache import ReuseStore
from aix_lsp.completion.postprocess import Cut, pipeline
from aix_lsp.completion.postprocess.balance import Fitted
from aix_lsp.completion.request import CompletionContext
from aix_lsp.fim.prompt import ContextFile
from aix_lsp.fim.window import Window

REUSE, FIT, WHOLE_WORDS = "reuse", "fit", "whole_words"
OTHERS = (REUSE, FIT, WHOLE_WORDS)
"""Parts that can be taken out in addition to the filters, which have names of their own."""


def parts() -> tuple[str, ...]:
    """The names of the filters, each once."""
    return tuple(dict.fromkeys(each.__name__ for each in pipeline.LINE + pipeline.BLOCK))


class Marks:
    """Records which parts have changed anything, by writing each name to a file once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[str] = set()

    def note(self, name: str) -> None:
        if name not in self._known:
            self._known.add(name)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")


def take_out(names: set[str]) -> None:
    """Take parts out of the server in this process."""
    pipeline.LINE = tuple(each for each in pipeline.LINE if each.__name__ not in names)
    pipeline.BLOCK = tuple(each for each in pipeline.BLOCK if each.__name__ not in names)
    if FIT in names:
        pipeline.fit = lambda text, cursor: Fitted(text)
    if WHOLE_WORDS in names:
        pipeline.whole_words = lambda text: text
    if REUSE in names:
        ReuseStore.look_back = lambda self, cursor, settings_key=None: iter(())  # type: ignore[method-assign]


def watch(marks: Marks) -> None:
    """Record each part that changes what is shown, and each source of context in a prompt."""
    pipeline.LINE = tuple(_watched_filter(each, marks) for each in pipeline.LINE)
    pipeline.BLOCK = tuple(_watched_filter(each, marks) for each in pipeline.BLOCK)
    pipeline.fit = _watched(FIT, pipeline.fit, marks, lambda text, found: found != Fitted(text))
    pipeline.whole_words = _watched(
        WHOLE_WORDS, pipeline.whole_words, marks, lambda text, found: found != text
    )
    files = ContextProvider.files

    def noted(
        self: ContextProvider, context: CompletionContext, window: Window, budget: int, moved: bool
    ) -> tuple[ContextFile, ...]:
        found = files(self, context, window, budget, moved)
        state = self._states.get(context.document.uri)
        for piece in state.kept if found and state else ():
            marks.note(f"context_{piece.source}")
        return found

    ContextProvider.files = noted  # type: ignore[method-assign]


def _watched_filter(each: pipeline.Filter, marks: Marks) -> pipeline.Filter:
    @functools.wraps(each)
    def call(text: str, cursor: Any, done: bool) -> Cut:
        cut = each(text, cursor, done)
        if cut.stop or (done and cut.text != text):
            marks.note(each.__name__)
        return cut

    return call


def _watched(name: str, part: Callable[..., Any], marks: Marks, changed: Callable[[str, Any], bool]) -> Any:
    def call(text: str, *rest: Any, **more: Any) -> Any:
        found = part(text, *rest, **more)
        if changed(text, found):
            marks.note(name)
        return found

    return call


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay.altered", description=__doc__)
    parser.add_argument(
        "--without", nargs="*", default=[], choices=(*parts(), *OTHERS), help="parts to take out"
    )
    parser.add_argument("--marks", type=Path, required=True, help="file for the names of parts that mattered")
    parser.add_argument(
        "--statistics", type=Path, required=True, help="file instead of the user's statistics"
    )
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args()
    statistics.file = lambda: options.statistics
    take_out(set(options.without))
    watch(Marks(options.marks))
    sys.argv = ["aix-lsp", *options.arguments]
    serve()


if __name__ == "__main__":
    main()
