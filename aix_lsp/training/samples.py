"""Makes rows of tokens to train on: documents cut at cursors and laid out as prompts. Knows no models.

The layout is that of the model's family in `aix_lsp.fim.templates`, as in the engine's prompts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from aix_lsp.fim.family import Template
from aix_lsp.fim.prompt import ContextFile, FimPrompt
from aix_lsp.training.corpus import Document
from aix_lsp.training.recipe import FILLING_IN, Emphasis
from aix_lsp.training.spans import choose_span, line_end
from aix_lsp.training.vocabulary import MIDDLE, PREFIX, SUFFIX, Codec

_PIECE = 1500  # characters between the starts of a document's samples: about 512 tokens
_CHARACTERS_A_TOKEN = 3.3
_PREFIX_FIRST = 0.08  # of the samples; the others use the engine's layout
_APART = 0.15  # of the samples tokenise the two sides of the cursor separately, as without healing
_ABOVE = 0.4  # of the middles begin some lines above the cursor's line
_WITH_PATH = 0.75
_WITH_CONTEXT = 0.18
_CONTEXT_SHARE = 0.45  # of the room
_SMALLEST = 40  # tokens of room; with less, a row is padded
_SHORTEST, _SHORT = 56, 240  # tokens of short samples, each with one decision where to end
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{2,}")


@dataclass(slots=True)
class Sample:
    """Token ids, and the weight of the loss for predicting each."""

    ids: list[int]
    weights: list[float]

    def add(self, ids: Sequence[int], weight: float) -> None:
        """Append ids with the same weight."""
        self.ids += ids
        self.weights += [weight] * len(ids)


class Stream:
    """An endless, reproducible sequence of rows; a checkpoint only needs `position`.

    Every piece of every document begins one sample per epoch, in an order derived from the seed. Of several workers,
    each takes every `workers`-th piece, starting with its `rank`.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        codec: Codec,
        shares: dict[str, float] | None = None,
        seed: int = 0,
        rank: int = 0,
        workers: int = 1,
        emphasis: Emphasis = FILLING_IN,
    ) -> None:
        self._documents, self._codec, self._seed = documents, codec, seed
        self._template = codec.template
        self._plain = replace(self._template, layout=("{context}", "{header}", "{prefix}"))
        self._prefix_first = _prefix_first(self._template)
        self._rank, self._workers, self._emphasis = rank, workers, emphasis
        self.position = 0
        self._packages: dict[str, list[int]] = {}
        for index, document in enumerate(documents):
            self._packages.setdefault(document.package, []).append(index)
        self._pieces = _pieces(documents, shares or {}, seed)
        self._epoch, self._order = -1, list(range(len(self._pieces)))

    def __len__(self) -> int:
        """Pieces per epoch, of all workers together."""
        return len(self._pieces)

    def row(self, length: int) -> Sample:
        """`length` + 1 tokens: as many samples as fit, then padding with weight 0."""
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
        path, context = self._surroundings(rng, document, start, room)
        if start or rng.random() < 0.4:  # most first pieces keep the file's beginning, with its imports
            start = document.text.rfind("\n", 0, start + rng.randrange(_PIECE // 2)) + 1
        context_prompt = FimPrompt("", path=path, context=context)
        kind, plain = rng.random(), self._emphasis.plain
        if kind >= plain and room > _SMALLEST:
            if rng.random() < self._emphasis.short:
                room = min(room, rng.randint(_SHORTEST, _SHORT))
            template = self._prefix_first if kind < plain + _PREFIX_FIRST else self._template
            cut = self._cut(rng, template, document.text[start:], context_prompt, room)
            if cut is not None:
                return cut
        return self._whole(document.text[start:], context_prompt, room)

    def _whole(self, text: str, context_prompt: FimPrompt, room: int) -> Sample:
        sample, shown = Sample([], []), text[: room * 6]
        for _, ids, weight in self._pieces_of(self._plain, replace(context_prompt, prefix=shown)):
            sample.add(ids, weight)
        if len(shown) == len(text):
            sample.add([self._codec.end], 1.0)
        return sample

    def _cut(
        self, rng: Random, template: Template, text: str, context_prompt: FimPrompt, room: int
    ) -> Sample | None:
        """A sample with a middle to fill in; None if it does not fit."""
        taken = sum(len(file.text) + len(file.path) for file in context_prompt.context) / _CHARACTERS_A_TOKEN
        window = _whole_lines(text, int((room - taken) * _CHARACTERS_A_TOKEN))
        if len(window) < 30:
            return None
        low, high, suffix_limit = _cursor_range(rng, len(window))
        first, last = choose_span(rng, window, low, high, self._emphasis.midline)
        anchor = _anchor(rng, window, first)
        suffix = _suffix(rng, window, last, suffix_limit)
        prompt = replace(context_prompt, prefix=window[:anchor], middle=window[anchor:first], suffix=suffix)
        pieces = list(self._pieces_of(template, prompt))
        head = list(template.segments(prompt))[-1]
        if head.kind == "text":
            pieces.pop()
        before, middle = self._sides(rng, head.text if head.kind == "text" else "", window[first:last])
        pieces += [(head.part, before, 1.0), ("middle", middle, self._emphasis.middle)]
        return self._fitted(pieces, room)

    def _sides(self, rng: Random, before: str, missing: str) -> tuple[list[int], list[int]]:
        """Tokens of the text up to the cursor and of the missing text after it, usually tokenised as one text."""
        encode = self._codec.encode
        head = encode(before)
        if rng.random() < _APART:
            return head, encode(missing)
        both = encode(before + missing)
        cut = max(len(head) - 1, 0)  # the cursor's token is part of what must be predicted
        return both[:cut], both[cut:]

    def _fitted(self, pieces: list[tuple[str, list[int], float]], room: int) -> Sample | None:
        over = sum(len(ids) for _, ids, _ in pieces) + 1 - room
        sample = Sample([], [])
        for part, ids, weight in pieces:
            if part == "prefix" and over > 0:
                if over > len(ids) // 2:
                    return None
                ids, over = ids[over:], 0
            sample.add(ids, weight)
        if over > 0:
            return None
        sample.add([self._codec.end], self._emphasis.end)
        return sample

    def _pieces_of(self, template: Template, prompt: FimPrompt) -> Iterator[tuple[str, list[int], float]]:
        """(part, tokens, weight) of a prompt. Special tokens and paths need not be predicted."""
        paths = {f"{path}\n" for path in (prompt.path, *(file.path for file in prompt.context))}
        for segment in template.segments(prompt):
            if segment.kind == "special":
                yield segment.part, [self._codec.special(segment.text)], 0.0
            else:
                yield segment.part, self._codec.encode(segment.text), float(segment.text not in paths)

    def _surroundings(
        self, rng: Random, document: Document, start: int, room: int
    ) -> tuple[str, tuple[ContextFile, ...]]:
        """The path in the prompt (may be empty), and pieces of other files."""
        with_context, with_path = rng.random() < _WITH_CONTEXT, rng.random() < _WITH_PATH
        context: tuple[ContextFile, ...] = ()
        if with_context and room > 250 and self._template.takes_context:
            context = tuple(self._context(rng, document, start, int(room * _CONTEXT_SHARE)))
        return shown_path(rng, document.path) if with_path or context else "", context

    def _context(self, rng: Random, document: Document, start: int, room: int) -> Iterator[ContextFile]:
        """One or two pieces of other files in the package: of several, those that share the most names."""
        wanted = set(_IDENTIFIER.findall(document.text[start : start + 2 * _PIECE]))
        others = [self._documents[i] for i in rng.choices(self._packages[document.package], k=8)]
        found: list[tuple[int, str, str]] = []
        for other in others:
            if other is not document:
                text = _piece_of_lines(rng, other.text)
                found.append((len(wanted.intersection(_IDENTIFIER.findall(text))), other.path, text))
        found.sort(key=lambda item: item[0])
        characters = room * _CHARACTERS_A_TOKEN
        for _, path, text in found[-rng.randint(1, 2) :]:
            characters -= len(text) + len(path)
            if characters > 0:
                yield ContextFile(path, text)


def _prefix_first(template: Template) -> Template:
    """The same family with the prefix first, as other programs may use it."""
    if not {PREFIX, SUFFIX, MIDDLE} <= set(template.markers):
        return template
    layout = ("{context}", "{header}", PREFIX, "{prefix}", SUFFIX, "{suffix}", MIDDLE, "{middle}")
    return replace(template, layout=layout)


def _anchor(rng: Random, text: str, place: int) -> int:
    """The beginning of the line at `place`, or of one of the three lines above it."""
    start = text.rfind("\n", 0, place) + 1
    for _ in range(rng.randint(1, 3) if rng.random() < _ABOVE else 0):
        start = text.rfind("\n", 0, max(start - 1, 0)) + 1
    return start


def shown_path(rng: Random, path: str) -> str:
    """A path as editors send it: relative to the workspace or to a folder in it, or the name alone."""
    parts = path.split("/")
    keep = rng.choice((len(parts), len(parts), 2, 1))
    return "/".join(parts[-keep:])


def _cursor_range(rng: Random, length: int) -> tuple[int, int, int]:
    """The range of cursor positions in a window, and the longest suffix to show after it."""
    kind = rng.random()
    if kind < 0.2:
        return int(length * 0.75), length - 1, 0
    if kind < 0.45:
        return int(length * 0.6), length - 1, rng.randint(20, 400)
    return int(length * 0.1), length - 1, length


def _whole_lines(text: str, most: int) -> str:
    """The first lines of `text` that fit in `most` characters. A truncated line would teach to end anywhere."""
    return text if len(text) <= most else text[: text.rfind("\n", 0, most) + 1]


def _suffix(rng: Random, window: str, last: int, limit: int) -> str:
    """At most `limit` characters after a middle's end, usually whole lines. Never empty if the line continues: a middle
    that ends without a visible reason teaches to end anywhere.
    """
    end = line_end(window, last)
    suffix = window[last : max(last + limit, end + 1 if window[last:end].strip() else last)]
    if limit < len(window) - last and "\n" in suffix and rng.random() < 0.5:
        suffix = suffix[: suffix.rfind("\n") + 1]
    return suffix


def _piece_of_lines(rng: Random, text: str) -> str:
    start = text.rfind("\n", 0, rng.randrange(len(text))) + 1
    end = text.rfind("\n", start, start + rng.randint(200, 900)) + 1
    return text[start:end] if end > start else text[start : start + 200] + "\n"


def _pieces(documents: Sequence[Document], shares: dict[str, float], seed: int) -> list[tuple[int, int]]:
    """(document, first character) of each piece; a language's share is how often its pieces occur per epoch."""
    rng = Random(f"{seed}/pieces")
    found: list[tuple[int, int]] = []
    for index, document in enumerate(documents):
        share = shares.get(document.language, 1.0)
        for start in range(0, len(document.text), _PIECE):
            times = int(share) + (rng.random() < share % 1)
            found += [(index, start)] * times
    return found
