"""Attention over paged KV, for our own layer loop and for transformers' models.

Owns causality, sliding windows, soft caps and attention sinks. Knows a step's plan, but no model families.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from aix_lsp.engine.model.batched import DecodeBatch, attend_batch
from aix_lsp.engine.model.plan import DevicePlan, RowSpan


@dataclass(frozen=True, slots=True)
class Form:
    """A layer's attention apart from causality: its scale, a sliding window (a token sees itself and the `window - 1`
    before it; 0 for none), a soft cap on the scores, and a learned sink logit per query head."""

    scale: float
    window: int = 0
    softcap: float = 0.0
    sinks: Tensor | None = None

    @property
    def plain(self) -> bool:
        """Whether a fused scaled-dot-product kernel can compute it."""
        return not self.softcap and self.sinks is None


_QUERY_BLOCK = 64
_FOLD_LIMIT = 8


def attend(plan: DevicePlan, layer: int, query: Tensor, form: Form) -> Tensor:
    """Attention of `query` `[T, query_heads, key_size]` over each row's own KV, which must already include the step's.
    Returns `[T, query_heads * value_size]`."""
    if plan.batch is not None and form.plain:
        return _attend_batched(plan, plan.batch, layer, query, form)
    if plan.decoding and form.plain:
        return attend_tokens(plan, layer, folded_queries(query, plan.store.shapes[layer].heads), form)
    parts = [
        _attend_span(plan, span, layer, query[span.first : span.first + span.count], form)
        for span in plan.spans
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _attend_batched(plan: DevicePlan, batch: DecodeBatch, layer: int, query: Tensor, form: Form) -> Tensor:
    """Like `attend`: rows of one token together, the others one by one."""
    keys, values = plan.store.buffers(layer)
    if batch.rows is None:
        return attend_batch(batch, keys, values, query, form.scale, form.window)
    out = query.new_empty(query.shape[0], query.shape[1] * values.shape[3])
    single = query.index_select(0, batch.rows)
    out.index_copy_(0, batch.rows, attend_batch(batch, keys, values, single, form.scale, form.window))
    for span in plan.spans:
        if span.count > 1:
            rows = slice(span.first, span.first + span.count)
            out[rows] = _attend_span(plan, span, layer, query[rows], form)
    return out


def folded_queries(query: Tensor, heads: int) -> Sequence[Tensor]:
    """A view `[1, heads, groups, size]` of each row of `[T, query_heads, size]`.

    With query groups as rows of one matrix per KV head, bf16 is 13 times faster than with repeated KV (2,048 tokens).
    """
    count, query_heads, size = query.shape
    return query.view(count, 1, heads, query_heads // heads, size).unbind(0)


def attend_tokens(plan: DevicePlan, layer: int, queries: Sequence[Tensor], form: Form) -> Tensor:
    """Like `attend` for rows of one token each, given their `folded_queries`; `form` must be plain."""
    parts = []
    for at, (span, query) in enumerate(zip(plan.spans, queries, strict=True)):
        if form.window and span.length > form.window:
            key, value = plan.store.read(layer, span.slots.tail(span.length - form.window))
        else:
            key, value = plan.kv(at, layer)
        parts.append(F.scaled_dot_product_attention(query, key, value, scale=form.scale))
    out = parts[0] if len(parts) == 1 else torch.cat(parts)
    return out.view(len(parts), -1)


def _attend_span(plan: DevicePlan, span: RowSpan, layer: int, query: Tensor, form: Form) -> Tensor:
    low = max(0, span.start + 1 - form.window) if form.window else 0
    key, value = plan.store.read(layer, span.slots.tail(low))
    count, query_heads, size = query.shape
    heads = key.shape[1]
    grouped = query.view(count, heads, query_heads // heads, size).permute(1, 2, 0, 3)
    mask = plan.mask(span, low, form.window, query.dtype if form.plain else torch.float32)
    if not form.plain:
        out = _written_out(grouped, key, value, mask, form)
    elif query.device.type != "cpu":
        out = _block(grouped, key, value, mask, form.scale)
    elif count <= _FOLD_LIMIT:
        out = _folded(grouped, key, value, mask, form.scale)
    else:
        out = _blocks(grouped, key, value, mask, form, span.start - low)
    return out.permute(2, 0, 1, 3).reshape(count, -1)


def _folded(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Attention of few positions: query groups become rows, so that KV is read once."""
    heads, groups, count, size = query.shape
    folded, repeated = query.reshape(1, heads, groups * count, size), mask.repeat(groups, 1)
    out = F.scaled_dot_product_attention(folded, key, value, attn_mask=repeated, scale=scale)
    return out.view(heads, groups, count, -1)


def _blocks(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, form: Form, offset: int) -> Tensor:
    """Attention of many positions in blocks, each over the keys up to its own end: with a causal mask, the CPU kernel
    would compute what the mask hides (512 positions: 40 % less work). The first query is at the key `offset`."""
    count = query.shape[2]
    # The CPU's fused kernel multiplies bfloat16 at the speed of float32. Written out, it takes 5.3 instead of 9.5 ms
    # (14 heads of 64, 512 positions).
    block = _block_in_bfloat16 if query.dtype is torch.bfloat16 else _block
    parts = []
    for begin in range(0, count, _QUERY_BLOCK):
        end = min(begin + _QUERY_BLOCK, count)
        seen = offset + end
        first = max(0, offset + begin + 1 - form.window) if form.window else 0
        parts.append(
            block(
                query[:, :, begin:end],
                key[:, :, first:seen],
                value[:, :, first:seen],
                mask[begin:end, first:seen],
                form.scale,
            )
        )
    return torch.cat(parts, dim=2) if len(parts) > 1 else parts[0]


def _block(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Attention of `[heads, groups, count, size]` over `[1, heads, length, size]`."""
    groups = query.shape[1]
    keys = key.transpose(0, 1).expand(-1, groups, -1, -1)
    values = value.transpose(0, 1).expand(-1, groups, -1, -1)
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scale)


def _block_in_bfloat16(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    heads, groups, count, size = query.shape
    folded = query.reshape(heads, groups * count, size)
    scores = folded.new_empty(heads, groups * count, key.shape[2])
    scores = torch.baddbmm(scores, folded, key[0].transpose(1, 2), beta=0, alpha=scale)
    weights = scores.view(heads, groups, count, -1).add_(mask).softmax(-1)
    return torch.bmm(weights.view(heads, groups * count, -1), value[0]).view(heads, groups, count, -1)


def _written_out(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, form: Form) -> Tensor:
    """Attention written out, for features that fused kernels lack: `softcap * tanh(scores / softcap)` (Gemma 2), and
    sinks, a logit per head that takes part in the softmax but has no value (gpt-oss)."""
    key, value = key.transpose(0, 1), value.transpose(0, 1)
    scores = (query @ key.transpose(-1, -2)).float() * form.scale
    if form.softcap:
        scores = (scores / form.softcap).tanh_() * form.softcap
    scores = scores + mask
    if form.sinks is None:
        return scores.softmax(-1).to(value.dtype) @ value
    sinks = form.sinks.float().view(query.shape[0], query.shape[1], 1, 1).expand(-1, -1, query.shape[2], 1)
    weights = torch.cat((scores, sinks), dim=-1).softmax(-1)[..., :-1]
    return weights.to(value.dtype) @ value
