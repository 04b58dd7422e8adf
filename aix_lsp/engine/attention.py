"""Attention over paged KV: for our own layer loop, and registered with transformers for any of its models.

Owns causality, sliding windows, soft caps and attention sinks. Knows a step's plan, no model family.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from aix_lsp.engine.plan import Plan, Span

# transformers treats names that hold "flash", "sdpa", "flex", "paged|" or "/" as its own, and builds no
# masks for names that it does not know.
IMPLEMENTATION = "aix_lsp_rows"

# Not an argument: some models (StableLM) drop the keyword arguments that they do not know.
current_plan: ContextVar[Plan] = ContextVar("current_plan")


@dataclass(frozen=True, slots=True)
class Form:
    """What a layer's attention is beside causal: its scale, a sliding window (0 for none; a token sees
    itself and `window - 1` before it), a soft cap of the scores, and a learned sink logit per query head."""

    scale: float
    window: int = 0
    softcap: float = 0.0
    sinks: Tensor | None = None

    @property
    def plain(self) -> bool:
        """Whether a fused scaled-dot-product kernel computes it."""
        return not self.softcap and self.sinks is None


def attend(plan: Plan, layer: int, query: Tensor, form: Form) -> Tensor:
    """Attention of `query` `[T, query_heads, key_size]` over each row's own KV, that of the step included
    (it must already be written). Returns `[T, query_heads, value_size]`."""
    if len(plan.spans) == 1:
        return _attend_span(plan, plan.spans[0], layer, query, form)
    parts = [
        _attend_span(plan, span, layer, query[span.first : span.first + span.count], form)
        for span in plan.spans
    ]
    return torch.cat(parts)


def _attend_span(plan: Plan, span: Span, layer: int, query: Tensor, form: Form) -> Tensor:
    low = max(0, span.start + 1 - form.window) if form.window else 0
    key, value = plan.store.read(layer, span.slots_from(low))
    heads = key.shape[1]
    count, query_heads, _ = query.shape
    groups = query_heads // heads
    key = key.transpose(0, 1)[:, None]
    value = value.transpose(0, 1)[:, None]
    if count == 1 and form.plain:
        # Query groups as rows of one matrix per KV head: 13 times faster in bf16 than repeating KV (2,048
        # tokens).
        folded = query.view(heads, groups, -1)[:, None]
        return F.scaled_dot_product_attention(folded, key, value, scale=form.scale).view(1, query_heads, -1)
    folded = query.view(count, heads, groups, -1).permute(1, 2, 0, 3)
    key = key.expand(-1, groups, -1, -1)
    value = value.expand(-1, groups, -1, -1)
    if not form.plain:
        out = _scores_path(plan, span, low, folded, key, value, form)
    elif low == 0 and span.start == 0 and not (form.window and span.length > form.window):
        out = F.scaled_dot_product_attention(folded, key, value, is_causal=count > 1, scale=form.scale)
    else:
        mask = _mask(plan, span, low, form.window, query.dtype)
        out = F.scaled_dot_product_attention(folded, key, value, attn_mask=mask, scale=form.scale)
    return out.permute(2, 0, 1, 3).reshape(count, query_heads, -1)


def _scores_path(
    plan: Plan, span: Span, low: int, query: Tensor, key: Tensor, value: Tensor, form: Form
) -> Tensor:
    """Attention written out, for what no fused kernel has: `softcap * tanh(scores / softcap)` (Gemma 2),
    and sinks, a logit per head that takes part in the softmax and has no value (gpt-oss)."""
    scores = (query @ key.transpose(-1, -2)).float() * form.scale
    if form.softcap:
        scores = (scores / form.softcap).tanh_() * form.softcap
    scores = scores + _mask(plan, span, low, form.window, torch.float32)
    if form.sinks is None:
        return scores.softmax(-1).to(value.dtype) @ value
    sinks = form.sinks.float().view(query.shape[0], query.shape[1], 1, 1).expand(-1, -1, query.shape[2], 1)
    weights = torch.cat((scores, sinks), dim=-1).softmax(-1)[..., :-1]
    return weights.to(value.dtype) @ value


def _mask(plan: Plan, span: Span, low: int, window: int, dtype: torch.dtype) -> Tensor:
    """The additive mask `[count, length - low]` of a row; the same for all layers of a kind, so kept for
    the step."""
    found = plan.masks.get((span.first, window, dtype))
    if found is None:
        device = plan.tokens.device
        here = torch.arange(span.start, span.length, device=device)[:, None]
        there = torch.arange(low, span.length, device=device)
        unseen = there > here
        if window:
            unseen |= there <= here - window
        found = torch.zeros(unseen.shape, dtype=dtype, device=device).masked_fill_(unseen, -torch.inf)
        plan.masks[span.first, window, dtype] = found
    return found


def transformers_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The function behind `IMPLEMENTATION`: transformers' attention interface, over the current plan.

    `query`, `key` and `value` are `[1, heads, T, size]`; the result is `[1, T, query_heads, value_size]`.
    """
    plan = current_plan.get()
    plan.check_abort()
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    form = Form(
        scale=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        window=int(kwargs.get("sliding_window") or 0),
        softcap=float(kwargs.get("softcap") or 0.0),
        sinks=kwargs.get("s_aux"),
    )
    plan.store.write(layer, plan.writes, key[0].transpose(0, 1), value[0].transpose(0, 1))
    return attend(plan, layer, query[0].transpose(0, 1), form)[None], None
