"""Measures the cost of an edit in documents of any shape: `python -m benchmarks.documents`.

From the client's position to the new snapshot, without parsing the message.
"""

from __future__ import annotations

import time

from lsprotocol import types

from aix_lsp.lsp.documents import DocumentStore
from aix_lsp.lsp.positions import ENCODINGS, Encoding
from aix_lsp.lsp.workspace import Workspace
from benchmarks.machine import announce
from benchmarks.stats import percentile

EDITS = 200
SHAPES: dict[str, tuple[str, int, int]] = {
    "source of 10 MB": ("x = compute(a, b)  # some words\n" * 325_000, 160_000, 5),
    "10 MB of short lines": ("ab\n" * 3_400_000, 1_700_000, 1),
    "1 MB in one line": ("x" * 1_000_000, 0, 500_000),
    "1 MB in one line, CJK": ("漢字かな" * 87_500, 0, 150_000),
    "1 MB in one line, emoji": ("😀 ok " * 140_000, 0, 150_000),
}


def milliseconds(text: str, line: int, character: int, typed: str, encoding: Encoding) -> list[float]:
    """The time of each edit while typing at one place."""
    store = DocumentStore(Workspace(), encoding)
    store.open("file:///a.py", "python", 1, text)
    taken = []
    for version in range(2, 2 + EDITS):
        place = types.Position(line, character)
        change = types.TextDocumentContentChangePartial(types.Range(place, place), typed)
        start = time.perf_counter()
        store.change("file:///a.py", version, [change])
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def main() -> None:
    """Print a table."""
    print(f"{'document':26} {'encoding':8} {'typed':6} {'p50 ms':>8} {'p95 ms':>8}")
    for name, (text, line, character) in SHAPES.items():
        for encoding in ENCODINGS:
            for typed in ("y", "\n"):
                if typed == "\n" and line == 0:
                    continue  # the line would not remain a megabyte long
                taken = milliseconds(text, line, character, typed, encoding)
                p50, p95 = percentile(taken, 50), percentile(taken, 95)
                print(f"{name:26} {encoding:8} {typed!r:6} {p50:8.3f} {p95:8.3f}")
    announce()


if __name__ == "__main__":
    main()
