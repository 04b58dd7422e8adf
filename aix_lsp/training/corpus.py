"""Collects and deduplicates the documents to train on. Knows no tokens."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aix_lsp.training.sourcefiles import SKIPPED_FOLDERS, language_of, read

# Bytes per package of these languages, so that prose and data don't crowd out code.
_SMALL_SHARES = {"markdown": 120_000, "json": 40_000, "yaml": 60_000, "toml": 40_000, "shell": 150_000}

_SKETCH = 24  # hashes per text: they give similarity to about a tenth, enough to tell copies from kin
_NEAR = 0.6
_SHORTEST_LINE = 8  # characters; brackets and `else:` do not indicate an origin


@dataclass(frozen=True, slots=True)
class Document:
    """A file: its package, its path there, and its text."""

    package: str
    language: str
    path: str
    text: str


def gather(
    root: Path,
    package: str,
    cap: int,
    seen: DuplicateFilter,
    ignored: Callable[[str], bool] = lambda path: False,
) -> Iterator[Document]:
    """The documents under a folder, at most `cap` bytes and without any seen before.

    `ignored` is called with paths relative to the folder.
    """
    total: Counter[str] = Counter()
    for path, language in _candidates(root, package):
        if ignored(path.relative_to(root).as_posix()):
            continue
        text = read(path, language)
        if text is None:
            continue
        size = len(text.encode())
        limit = _SMALL_SHARES.get(language, cap)
        if total[language] + size > limit or total.total() + size > cap or not seen.add(text):
            continue
        total[language] += size
        yield Document(package, language, path.relative_to(root).as_posix(), text)


def _candidates(root: Path, package: str) -> list[tuple[Path, str]]:
    """Source files in an order that does not depend on their names: sources first, then what was built from them."""
    found = []
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        language = language_of(relative)
        if (
            language is None
            or not path.is_file()
            or path.is_symlink()
            or SKIPPED_FOLDERS.intersection(relative.parts[:-1])
        ):
            continue
        spread = hashlib.sha256(f"{package}/{relative.as_posix()}".encode()).digest()
        found.append((_rank(relative), spread, path, language))
    return [(path, language) for _, _, path, language in sorted(found, key=lambda item: item[:2])]


def _rank(relative: Path) -> int:
    if relative.name.endswith(".d.ts"):
        return 2
    return 0 if "src" in relative.parts else 1


class DuplicateFilter:
    """Remembers texts by the smallest hashes of their pairs of lines (bottom-k sketches, Broder 1997)."""

    def __init__(self) -> None:
        self._holders: dict[int, list[int]] = {}
        self._texts = 0

    def add(self, text: str) -> bool:
        """Remember a text; returns False, without remembering, if it is a copy or near copy of an earlier one."""
        sketch = _sketch(text)
        shared = Counter(holder for value in sketch for holder in self._holders.get(value, ()))
        if any(count >= _NEAR * len(sketch) for count in shared.values()):
            return False
        for value in sketch:
            self._holders.setdefault(value, []).append(self._texts)
        self._texts += 1
        return True


def _sketch(text: str) -> list[int]:
    lines = [line.strip() for line in text.split("\n")]
    informative = [line for line in lines if len(line) >= _SHORTEST_LINE] or lines
    pairs = {f"{first}\n{second}" for first, second in zip(informative, [*informative[1:], ""], strict=True)}
    return sorted(int.from_bytes(hashlib.blake2b(pair.encode(), digest_size=8).digest()) for pair in pairs)[
        :_SKETCH
    ]
