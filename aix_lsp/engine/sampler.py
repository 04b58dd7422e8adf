"""Chooses tokens from logits. Knows sampling options and constraints; nothing of models, pages or text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aix_lsp.engine.step import Row, Sampled, Sampling


@dataclass(frozen=True, slots=True)
class _Output:
    """One position to sample: which row asked, and how many outputs of that row stand before it."""

    row: Row
    index: int

    @property
    def allowed(self) -> Sequence[int] | None:
        return self.row.allowed if self.index == 0 else None


def sample(logits: Tensor, rows: Sequence[Row]) -> list[list[Sampled]]:
    """Sampled tokens for each row, in position order, from `logits` `[sum of outputs, vocab]`.

    Constraints (`banned`, `allowed`) limit the choice; log-probabilities are those of the unmodified
    distribution.
    """
    outputs = [_Output(row, index) for row in rows for index in range(row.outputs)]
    if not outputs:
        return [[] for _ in rows]
    logits = logits.float()
    normalisers = logits.logsumexp(-1)
    tokens = _choose(logits, outputs)
    chosen = logits.gather(1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0] - normalisers
    found = [
        Sampled(token, logprob, _top(logits[at], normalisers[at], output.row.top_logprobs))
        for at, (token, logprob, output) in enumerate(zip(tokens, chosen.tolist(), outputs, strict=True))
    ]
    by_row = iter(found)
    return [[next(by_row) for _ in range(row.outputs)] for row in rows]


def _choose(logits: Tensor, outputs: Sequence[_Output]) -> list[int]:
    tokens: list[int] = logits.argmax(-1).tolist()
    for at, output in enumerate(outputs):
        row = output.row
        if output.allowed is not None or row.sampling.temperature > 0:
            tokens[at] = _choose_one(logits[at], output)
        elif tokens[at] in row.banned:
            tokens[at] = int(_without(logits[at], row.banned).argmax())
    return tokens


def _choose_one(logits: Tensor, output: _Output) -> int:
    row = output.row
    allowed = output.allowed
    ids = None
    if allowed is not None:
        banned = frozenset(row.banned)
        kept = [token for token in allowed if token not in banned]
        if len(kept) == 1:
            return kept[0]
        ids = torch.tensor(kept, device=logits.device)
        scores = logits.index_select(0, ids)
    else:
        scores = _without(logits, row.banned)
    if row.sampling.temperature > 0:
        at = _draw(scores, row.sampling, row.position_key + output.index)
    else:
        at = int(scores.argmax())
    return at if ids is None else int(ids[at])


def _without(logits: Tensor, banned: Sequence[int]) -> Tensor:
    if not banned:
        return logits
    return logits.index_fill(0, torch.tensor(list(banned), device=logits.device), -torch.inf)


def _draw(scores: Tensor, sampling: Sampling, position: int) -> int:
    """One draw, the same for the same seed and position whatever else is in the batch.

    Filters are applied in the order temperature, top-k, top-p, min-p.
    """
    ordered, order = (scores / sampling.temperature).sort(descending=True, stable=True)
    if sampling.top_k > 0:
        ordered = ordered[: sampling.top_k]
    probabilities = ordered.softmax(-1)
    if sampling.top_p < 1:
        before = probabilities.cumsum(-1) - probabilities
        probabilities = probabilities[: max(1, int((before < sampling.top_p).sum()))]
    if sampling.min_p > 0:
        floor = probabilities[0] * sampling.min_p
        probabilities = probabilities[: max(1, int((probabilities >= floor).sum()))]
    cumulative = probabilities.double().cumsum(-1)
    point = _uniform(sampling.seed, position) * float(cumulative[-1])
    at = int((cumulative <= point).sum())
    return int(order[min(at, len(probabilities) - 1)])


_MASK = (1 << 64) - 1


def _uniform(seed: int, position: int) -> float:
    """A number in [0, 1) from (seed, position): the SplitMix64 finaliser (Steele, Lea and Flood, 2014)."""
    state = ((seed & _MASK) * 0x9E3779B97F4A7C15 + (position + 1) * 0xD1B54A32D192ED03) & _MASK
    for _ in range(2):
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return (state >> 11) / (1 << 53)


def _top(logits: Tensor, normaliser: Tensor, count: int) -> tuple[tuple[int, float], ...]:
    if not count:
        return ()
    values, ids = logits.topk(min(count, logits.shape[0]))
    return tuple(zip(ids.tolist(), (values - normaliser).tolist(), strict=True))
