"""Stores documents to train on as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from aix_lsp.training.corpus import Document


def write(path: Path, documents: Iterable[Document]) -> int:
    """Write JSON lines atomically; returns the number of documents."""
    count = 0
    draft = path.with_suffix(".part")
    with draft.open("w", encoding="utf-8") as file:
        for document in documents:
            file.write(json.dumps(asdict(document), ensure_ascii=False) + "\n")
            count += 1
    draft.replace(path)
    return count


def load(path: Path) -> list[Document]:
    """The documents in a file written by `write`."""
    with path.open(encoding="utf-8") as file:
        return [Document(**json.loads(line)) for line in file]
