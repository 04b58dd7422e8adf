"""Chooses tokens from logits. Knows sampling options and constraints, nothing of models, pages or text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aix_lsp.engine.step import Mixture, Row, Sampled, Sampling

_SURE = 1 - 1e-6
"""The end tokens' probability is at most this, so that the logarithm of the remainder is finite."""


def sample(logits: Tensor, rows: Sequence[Row]) -> list[list[Sampled]]:
    """Sampled tokens for each row, in position order, from `logits` `[sum of outputs, vocab]`.

    Constraints (`banned`, `allowed`) limit the choice. Log-probabilities are those of the distribution with its
    mixture, restricted to `allowed`, since what was typed is known; bans do not change them.
    """
    outputs = [_Output(row, index) for row in rows for index in range(row.outputs)]
    if not outputs:
        return [[] for _ in rows]
    logits = logits.float()
    # Not logsumexp: on a CPU, the fused kernel takes a third of its time (8,192 logits: 5 instead of 18 µs).
    logprobs = logits.log_softmax(-1)
    if _mix_in(logprobs, outputs):
        logits = logprobs
    best = logits.argmax(-1, keepdim=True)
    tokens: list[int] = best[:, 0].tolist()
    changed = False
    for at, output in enumerate(outputs):
        if not output.takes(tokens[at]):
            tokens[at] = _choose(logits[at], output)
            changed = True
    if changed:
        best = torch.tensor(tokens, device=logits.device)[:, None]
    chosen: list[float] = logprobs.gather(1, best)[:, 0].tolist()
    for at, output in enumerate(outputs):
        if output.allowed is not None:
            known = torch.tensor(output.allowed, device=logits.device)
            chosen[at] -= float(logprobs[at].index_select(0, known).logsumexp(-1))
    found = (
        Sampled(tokens[at], chosen[at], _top(logprobs[at], output.row.top_logprobs))
        for at, output in enumerate(outputs)
    )
    return [[next(found) for _ in range(row.outputs)] for row in rows]


def _mix_in(logprobs: Tensor, outputs: Sequence[_Output]) -> bool:
    """Apply the outputs' mixtures to `logprobs`, in place and all at once. False if there are none."""
    device = logprobs.device
    kept, rows, places, added = [0.0] * len(outputs), [], [], []
    for at, output in enumerate(outputs):
        mixture = output.mixture
        if mixture is not None:
            kept[at] = math.log1p(-mixture.share)
            rows += [at] * len(mixture.tokens)
            places += [at * logprobs.shape[1] + token for token in mixture.tokens]
            added += [math.log(mixture.share * probability) for probability in mixture.probabilities]
    if not places:
        return False
    ends = torch.tensor(outputs[0].row.ends, dtype=torch.long, device=device)
    ending = logprobs.index_select(1, ends)
    goes_on = torch.log1p(-ending.exp().sum(-1).clamp(max=_SURE))
    more = torch.tensor(added, device=device) + goes_on.index_select(0, torch.tensor(rows, device=device))
    logprobs += torch.tensor(kept, device=device)[:, None]
    flat, index = logprobs.view(-1), torch.tensor(places, device=device)
    flat.index_copy_(0, index, torch.logaddexp(flat.index_select(0, index), more))
    logprobs.index_copy_(1, ends, ending)
    return True


@dataclass(frozen=True, slots=True)
class _Output:
    """One position to sample: its row, and how many outputs of that row precede it."""

    row: Row
    index: int

    @property
    def allowed(self) -> Sequence[int] | None:
        allowed = self.row.allowed
        return allowed[self.index] if allowed else None

    @property
    def mixture(self) -> Mixture | None:
        mixtures = self.row.mixtures
        return mixtures[self.index] if mixtures else None

    def takes(self, most_likely: int) -> bool:
        """Whether the most likely token is the choice."""
        row = self.row
        return row.sampling.temperature <= 0 and self.allowed is None and most_likely not in row.banned


def _choose(logits: Tensor, output: _Output) -> int:
    """The token chosen from one position's logits `[vocab]`, within the constraints."""
    row, ids = output.row, None
    if output.allowed is not None:
        banned = frozenset(row.banned)
        kept = [token for token in output.allowed if token not in banned] or list(output.allowed)
        if len(kept) == 1:
            return kept[0]
        ids = torch.tensor(kept, device=logits.device)
        scores = logits.index_select(0, ids)
    elif row.banned:
        scores = logits.index_fill(0, torch.tensor(list(row.banned), device=logits.device), -torch.inf)
    else:
        scores = logits
    if row.sampling.temperature > 0:
        at = _draw(scores, row.sampling, uniform(row.sampling.seed, row.position_key + output.index))
    else:
        at = int(scores.argmax())
    return at if ids is None else int(ids[at])


def _draw(scores: Tensor, sampling: Sampling, point: float) -> int:
    """The token at `point` (0 … 1) of the cumulative distribution, after temperature, top-k, top-p (Holtzman and
    others, 2020) and min-p (Nguyen and others, 2024), in this order."""
    # The maximum is moved to 0 first and the temperature has a lower limit, so that nothing overflows.
    probabilities = ((scores - scores.max()) / max(sampling.temperature, _COLDEST)).softmax(-1)
    order = None
    if sampling.top_k > 0:
        probabilities, order = probabilities.topk(min(sampling.top_k, probabilities.shape[0]))
        probabilities = probabilities / probabilities.sum()
    elif sampling.top_p < 1:
        probabilities, order = _head(probabilities, sampling.top_p)
    if sampling.top_p < 1:
        before = probabilities.cumsum(-1) - probabilities
        probabilities = probabilities[: max(1, int((before < sampling.top_p).sum()))]
    if sampling.min_p > 0:
        floor = probabilities.max() * sampling.min_p
        probabilities = probabilities.where(probabilities >= floor, 0.0)
    # On the CPU: MPS has no float64, and float32 sums of 150,000 terms would favour the first.
    cumulative = probabilities.cpu().double().cumsum(-1)
    at = int(torch.searchsorted(cumulative, cumulative[-1] * point, right=True))
    # A point close to 1 rounds to the whole sum, past the last possible token.
    at = min(at, int(torch.searchsorted(cumulative, cumulative[-1])))
    return at if order is None else int(order[at])


_HEAD = 256
_COLDEST = 1e-6


def _head(probabilities: Tensor, mass: float) -> tuple[Tensor, Tensor]:
    """The largest probabilities, sorted, and their ids: enough to cover `mass`. A few hundred nearly always do, and
    sorting 150,000 takes milliseconds."""
    if probabilities.shape[0] > _HEAD:
        values, ids = probabilities.topk(_HEAD)
        if float(values.sum()) >= mass:
            return values, ids
    values, ids = probabilities.sort(descending=True, stable=True)
    return values, ids


_MASK = (1 << 64) - 1


def uniform(seed: int, position: int) -> float:
    """A number in [0, 1) from (seed, position), by the SplitMix64 finaliser (Steele, Lea and Flood, 2014)."""
    state = ((seed & _MASK) * 0x9E3779B97F4A7C15 + (position + 1) * 0xD1B54A32D192ED03) & _MASK
    for _ in range(2):
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return (state >> 11) / (1 << 53)


def _top(logprobs: Tensor, count: int) -> tuple[tuple[int, float], ...]:
    if not count:
        return ()
    values, ids = logprobs.topk(min(count, logprobs.shape[0]))
    return tuple(zip(ids.tolist(), values.tolist(), strict=True))
