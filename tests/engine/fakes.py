"""A runner whose next token is a hash of every token it finds in the pages, so that any mix-up of KV
shows.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Sequence

from aix_lsp.engine.events import Event, Piece, Reason
from aix_lsp.engine.scheduling.sequence import Request
from aix_lsp.engine.scheduling.sequence import Sequence as Candidate
from aix_lsp.engine.step import GREEDY, Row, Sampled, Sampling
from aix_lsp.engine.stream import EventStream

GARBAGE = -1


def next_token(history: Sequence[int], vocab: int, sampling: Sampling = GREEDY, position: int = 0) -> int:
    """The fake model's next token after `history`. Often repeats, so that drafts are sometimes right."""
    if sampling.temperature:
        return hash((*history, sampling.seed, position)) % vocab
    key = tuple(history[-2:]) if hash(tuple(history)) % 4 else tuple(history)
    return hash(key) % vocab


class FakeRunner:
    """Implements step.py's Runner. A slot of a page holds the token computed there; `fail` and `peek` are hooks."""

    def __init__(self, pages: int = 64, page_size: int = 4, vocab: int = 11, context: int = 10_000) -> None:
        self.page_size = page_size
        self.page_count = pages
        self.vocab_size = vocab
        self.context_length = context
        self.slots = [[GARBAGE] * page_size for _ in range(pages)]
        self.steps = 0
        self.rows: list[int] = []
        self.before: Callable[[Sequence[Row]], None] = lambda rows: None
        self.layers = 3

    def release(self, runs: Sequence[tuple[int, int]]) -> int:
        for first, count in runs:
            self.slots[first : first + count] = [[GARBAGE] * self.page_size for _ in range(count)]
        return sum(count for _, count in runs)

    def copy_page(self, source: int, target: int, tokens: int) -> None:
        self.slots[target][:tokens] = self.slots[source][:tokens]
        self.slots[target][tokens:] = [GARBAGE] * (self.page_size - tokens)

    def step(
        self, rows: Sequence[Row], abort: Callable[[], bool] = lambda: False
    ) -> list[list[Sampled]] | None:
        self.steps += 1
        self.rows.append(len(rows))
        self._check_writers(rows)
        for _ in range(self.layers):
            self.before(rows)
            if abort():
                for row in rows:
                    self._write(row, [GARBAGE] * len(row.tokens))
                return None
        for row in rows:
            self._write(row, row.tokens)
        return [self._sample(row) for row in rows]

    def _check_writers(self, rows: Sequence[Row]) -> None:
        written = [
            (row.pages[p // self.page_size], p % self.page_size)
            for row in rows
            for p in range(row.start, row.start + len(row.tokens))
        ]
        assert len(written) == len(set(written)), "two rows write to one slot"

    def _write(self, row: Row, tokens: Sequence[int]) -> None:
        for position, token in enumerate(tokens, row.start):
            self.slots[row.pages[position // self.page_size]][position % self.page_size] = token

    def _sample(self, row: Row) -> list[Sampled]:
        end = row.start + len(row.tokens)
        size = self.page_size
        history = [self.slots[row.pages[p // size]][p % size] for p in range(end)]
        assert GARBAGE not in history, "read what was never computed"
        found = []
        for at in range(row.outputs):
            token = next_token(
                history[: end - row.outputs + 1 + at], self.vocab_size, row.sampling, row.position_key + at
            )
            allowed = row.allowed[at] if row.allowed else None
            if allowed is not None:
                token = within(token, allowed)
            found.append(Sampled(token, -0.5))
        return found


def within(token: int, allowed: Sequence[int]) -> int:
    """The token, or one of the allowed ones instead."""
    return token if token in allowed else allowed[token % len(allowed)]


class Gate:
    """Blocks the runner between two layers of step number `step` until it is opened."""

    def __init__(self, runner: FakeRunner, step: int = 1) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self._runner = runner
        self._step = step
        runner.before = self

    def __call__(self, rows: Sequence[Row]) -> None:
        if self._runner.steps >= self._step:
            self.reached.set()
            assert self.open.wait(60)


class Recorder:
    """An Output that keeps tokens; ends at token `end`. `limits` are the tokens allowed in its first places, and
    `guesses` what is likely there."""

    def __init__(
        self,
        index: int = 0,
        end: int | None = None,
        limits: Sequence[Sequence[int]] = (),
        guesses: Sequence[int] = (),
    ) -> None:
        self.tokens: list[int] = []
        self.limits = limits
        self._guesses = guesses
        self._index = index
        self._end = end
        self._told = 0
        self._reason: Reason | None = None

    @property
    def likely(self) -> Sequence[int]:
        return self._guesses[len(self.tokens) :]

    def allowed(self, drafts: Sequence[int] = ()) -> Sequence[Sequence[int] | None]:
        left = self.limits[len(self.tokens) :]
        return [left[at] if at < len(left) else None for at in range(len(drafts) + 1)] if left else ()

    def push(self, sampled: Sampled) -> bool:
        if sampled.token == self._end:
            self._reason = "stop"
            return True
        self.tokens.append(sampled.token)
        return False

    def take(self) -> Piece | None:
        fresh = self.tokens[self._told :]
        self._told = len(self.tokens)
        return Piece(self._index, " ".join(map(str, fresh)) + " ", len(fresh), 0.0) if fresh else None

    def close(self, reason: Reason) -> Piece:
        piece = self.take() or Piece(self._index, "", 0, 0.0)
        return Piece(self._index, piece.text, piece.tokens, 0.0, self._reason or reason)


def request(
    prompt: Sequence[int],
    new: int = 5,
    n: int = 1,
    end: int | None = None,
    deadline: float = math.inf,
    temperature: float = 0.0,
    limits: Sequence[Sequence[int]] = (),
    guesses: Sequence[int] = (),
    **fields: object,
) -> Request:
    """A request for `n` candidates of at most `new` tokens after `prompt`."""
    made = Request(deadline=deadline, parts=(("prefix", len(prompt)),), **fields)  # type: ignore[arg-type]
    made.sequences = [
        Candidate(
            made,
            index,
            list(prompt),
            len(prompt),
            len(prompt) + new,
            Recorder(index, end, limits, guesses),
            Sampling(temperature=temperature, seed=index),
        )
        for index in range(n)
    ]
    return made


def expected(candidate: Candidate, vocab: int, end: int | None) -> list[int]:
    """The tokens that a candidate must have generated, computed by calling the fake model directly."""
    assert isinstance(candidate.output, Recorder)
    history, limits = candidate.tokens[: candidate.prompt_length], candidate.output.limits
    for position in range(candidate.max_length - candidate.prompt_length):
        token = next_token(history, vocab, candidate.sampling, position)
        if position < len(limits):
            token = within(token, limits[position])
        if token == end:
            break
        history.append(token)
    return history[candidate.prompt_length :]


async def events_of(stream: EventStream) -> list[Event]:
    async with asyncio.timeout(60):
        return [event async for event in stream]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.001)


def tokens_in(events: list[Event]) -> list[int]:
    return [int(t) for e in events if isinstance(e, Piece) for t in e.text.split()]
