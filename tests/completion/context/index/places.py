"""Workspaces for the tests of the index, and queries in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aix_lsp.completion.context.index.reader import IndexReader, Query
from aix_lsp.completion.context.index.scan import Gate, scan
from aix_lsp.completion.context.index.store import Store
from aix_lsp.languages import indexed_language

BANK = "def open_account(name: str) -> int:\n    return 1\n"
QUERY: dict[str, Any] = {
    "path": "main.py",
    "language": "python",
    "head": "from bank import open_account\n",
    "before": "from bank import open_account\nopen_account(",
    "after": ")\n",
    "sources": ["imports", "siblings", "definitions", "similar"],
}
"""Uses what `BANK`, in `bank.py`, defines."""


def write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def scanned(root: Path, store: Store, exclude: tuple[str, ...] = ()) -> list[str]:
    """Bring the index up to date; returns the paths in it."""
    scan(store, Gate(root, exclude), lambda done, of: None)
    return sorted(path for path, _ in store.stamps())


def index(root: Path, files: Mapping[str, str]) -> IndexReader:
    """Write and index a workspace, with the index beside it; returns a reader."""
    write(root, files)
    store = Store(root.parent / "index.db")
    gate = Gate(root, ())
    scan(store, gate, lambda done, of: None)
    return IndexReader(store, gate)


def query(path: str, text: str) -> Query:
    """A query in a file, at the "|" in its text."""
    before, _, after = text.partition("|")
    return Query(path, indexed_language(path), before + after, before, after)
