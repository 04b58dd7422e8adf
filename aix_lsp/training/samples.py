"""Rows of tokens to train on: documents cut at cursors and laid out as prompts. Knows no model.

The layout is the one of the family "aix" in `aix_lsp.fim.templates`: context, path header, suffix, prefix.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from aix_lsp.training.corpus import Document
from aix_lsp.training.spans import choose_span
from aix_lsp.training.vocabulary import Codec

_PIECE = 1500  # characters from one sample's start to the next one's in a document: about 512 tokens
_CHARACTERS_A_TOKEN = 3.3
_SPM, _PSM = 0.76, 0.11  # shares of samples; the rest is plain text
_AS_ONE = 0.7  # of SPM samples have prefix and middle tokenised as one: what healing leaves the model with
_WITH_PATH = 0.75
_WITH_CONTEXT = 0.18
_SMALLEST = 40  # tokens of room below which a row is padded
_END_WEIGHT = 2.0  # the end of a middle is one token in a sample, yet decides when a suggestion stops
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{2,}")


@dataclass(slots=True)
class Sample:
    """Token ids, and for each the weight of its loss when it is predicted."""

    ids: list[int]
    weights: list[float]

    def add(self, ids: Sequence[int], weight: float) -> None:
        """Append ids that all have one weight."""
        self.ids += ids
        self.weights += [weight] * len(ids)


class Stream:
    """An endless, repeatable sequence of rows; `position` is all that a checkpoint must hold.

    Every piece of every document begins one sample an epoch, in an order made from the seed. Of several
    workers each takes every `workers`-th piece, starting with its `rank`.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        codec: Codec,
        shares: dict[str, float] | None = None,
        seed: int = 0,
        rank: int = 0,
        workers: int = 1,
    ) -> None:
        self._documents, self._codec, self._seed = documents, codec, seed
        self._rank, self._workers = rank, workers
        self.position = 0
        self._packages: dict[str, list[int]] = {}
        for index, document in enumerate(documents):
            self._packages.setdefault(document.package, []).append(index)
        self._pieces = _pieces(documents, shares or {}, seed)
        self._epoch, self._order = -1, list(range(len(self._pieces)))

    def __len__(self) -> int:
        """Pieces an epoch, of all workers."""
        return len(self._pieces)

    def row(self, length: int) -> Sample:
        """`length` + 1 tokens: as many samples as fit, then padding of weight 0."""
        row = Sample([], [])
        while (room := length + 1 - len(row.ids)) >= _SMALLEST:
            sample = self._next(room)
            row.ids += sample.ids[:room]
            row.weights += [0.0, *sample.weights[1:room]]
        row.add([self._codec.pad] * (length + 1 - len(row.ids)), 0.0)
        return row

    def _next(self, room: int) -> Sample:
        number = self.position * self._workers + self._rank
        self.position += 1
        epoch, place = divmod(number, len(self._pieces))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, list(range(len(self._pieces)))
            Random(f"{self._seed}/{epoch}").shuffle(self._order)
        document, start = self._pieces[self._order[place]]
        return self._sample(Random(f"{self._seed}/{number}"), self._documents[document], start, room)

    def _sample(self, rng: Random, document: Document, start: int, room: int) -> Sample:
        sample = Sample([], [])
        with_context, with_path = rng.random() < _WITH_CONTEXT, rng.random() < _WITH_PATH
        if self._codec.knows_files:
            if with_context and room > 250:
                self._add_context(rng, document, start, int(room * 0.45), sample)
            if with_path or sample.ids:
                self._add_file(shown_path(rng, document.path), sample)
        room -= len(sample.ids)
        if start or rng.random() < 0.4:  # most first pieces keep the file's head, which holds its imports
            start = document.text.rfind("\n", 0, start + rng.randrange(_PIECE // 2)) + 1
        kind = rng.random()
        cut = kind < _SPM + _PSM and room > _SMALLEST
        if not cut or not self._add_cut(rng, document.text, start, room, kind >= _SPM, sample):
            self._add_plain(document.text, start, room, sample)
        return sample

    def _add_plain(self, text: str, start: int, room: int, sample: Sample) -> None:
        end = start + room * 6
        sample.add(self._codec.encode(text[start:end])[:room], 1.0)
        if end >= len(text):
            sample.add([self._codec.end], 1.0)

    def _add_cut(self, rng: Random, text: str, start: int, room: int, psm: bool, sample: Sample) -> bool:
        """Add prefix, suffix and middle; False where they don't fit."""
        codec = self._codec
        window = text[start : start + int(room * _CHARACTERS_A_TOKEN)]
        if len(window) < 30:
            return False
        low, high, suffix_limit = _cursor_range(rng, len(window))
        first, last = choose_span(rng, window, low, high)
        suffix = window[last : last + suffix_limit]
        if suffix_limit < len(window) - last and rng.random() < 0.5:
            suffix = suffix[: suffix.rfind("\n") + 1]
        after = codec.encode(suffix)
        if psm or rng.random() >= _AS_ONE:
            before, middle = codec.encode(window[:first]), codec.encode(window[first:last])
        else:
            before, middle = codec.encode(window[:last]), []
        over = len(before) + len(middle) + len(after) + 4 - room
        if over > len(before) // 2:
            return False
        before = before[max(over, 0) :]
        parts: list[list[int]]
        if psm:
            parts = [[codec.prefix], before, [codec.suffix], after, [codec.middle], middle]
        else:
            parts = [[codec.prefix, codec.suffix], after, [codec.middle], before + middle]
        markers = (codec.prefix, codec.suffix, codec.middle)
        for part in parts:
            sample.add(part, 0.0 if part and part[0] in markers else 1.0)
        sample.add([codec.end], _END_WEIGHT)
        return True

    def _add_file(self, path: str, sample: Sample) -> None:
        sample.add([self._codec.file, *self._codec.encode(path + "\n")], 0.0)

    def _add_context(self, rng: Random, document: Document, start: int, room: int, sample: Sample) -> None:
        """One or two pieces of other files of the package, those of several that share the most names."""
        wanted = set(_IDENTIFIER.findall(document.text[start : start + 2 * _PIECE]))
        others = [self._documents[i] for i in rng.choices(self._packages[document.package], k=8)]
        found: list[tuple[int, str, str]] = []
        for other in others:
            if other is not document:
                text = _piece_of_lines(rng, other.text)
                found.append((len(wanted.intersection(_IDENTIFIER.findall(text))), other.path, text))
        found.sort(key=lambda item: item[0])
        if not found:
            return
        sample.add([self._codec.repository], 0.0)
        for _, path, text in found[-rng.randint(1, 2) :]:
            ids = self._codec.encode(text)
            if len(ids) + len(sample.ids) + 30 < room:
                self._add_file(path, sample)
                sample.add(ids, 1.0)


def shown_path(rng: Random, path: str) -> str:
    """A path as editors tell it: from the workspace's root, from further down, or only the name."""
    parts = path.split("/")
    keep = rng.choice((len(parts), len(parts), 2, 1))
    return "/".join(parts[-keep:])


def _cursor_range(rng: Random, length: int) -> tuple[int, int, int]:
    """Where in a window the cursor may stand, and how much of the rest is shown as suffix at most."""
    kind = rng.random()
    if kind < 0.2:
        return int(length * 0.75), length - 1, 0
    if kind < 0.45:
        return int(length * 0.6), length - 1, rng.randint(20, 400)
    return int(length * 0.1), length - 1, length


def _piece_of_lines(rng: Random, text: str) -> str:
    start = text.rfind("\n", 0, rng.randrange(len(text))) + 1
    end = text.rfind("\n", start, start + rng.randint(200, 900)) + 1
    return text[start:end] if end > start else text[start : start + 200] + "\n"


def _pieces(documents: Sequence[Document], shares: dict[str, float], seed: int) -> list[tuple[int, int]]:
    """(document, first character); a language's share says how often its pieces come in an epoch."""
    rng = Random(f"{seed}/pieces")
    found: list[tuple[int, int]] = []
    for index, document in enumerate(documents):
        share = shares.get(document.language, 1.0)
        for start in range(0, len(document.text), _PIECE):
            times = int(share) + (rng.random() < share % 1)
            found += [(index, start)] * times
    return found
