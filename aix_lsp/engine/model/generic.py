"""The forward pass of any transformers causal language model. Knows no model families.

Over paged KV or, for models whose attention cannot be replaced and for recurrent models, recomputing whole sequences in
each step.
"""

from __future__ import annotations

import inspect
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from aix_lsp.engine.model.attention import Form, attend
from aix_lsp.engine.model.int8_linear import Int8Linear
from aix_lsp.engine.model.kv import LayerShape
from aix_lsp.engine.model.plan import DevicePlan, RowSpan

# transformers reserves names that contain "flash", "sdpa", "flex", "paged|" or "/", and builds no masks for names that
# it does not know.
IMPLEMENTATION = "aix_lsp_rows"


@dataclass(slots=True)
class LayerProbe:
    """Takes a plan's place in a model's first forward pass, and notes the layers that call our attention: the shapes of
    their KV and their kinds of attention. Their output is zeros."""

    shapes: dict[int, LayerShape] = field(default_factory=dict)
    forms: dict[int, Form] = field(default_factory=dict)


# Not an argument: some models (StableLM) drop unknown keyword arguments.
current_plan: ContextVar[DevicePlan | LayerProbe] = ContextVar("current_plan")


class TransformersForward:
    """Runs a transformers model with its attention replaced by ours.

    The rows of a step are concatenated in one `[1, T]` input; the attention function keeps them apart.
    """

    def __init__(self, model: Any) -> None:
        AttentionInterface.register(IMPLEMENTATION, transformers_attention)
        model.set_attn_implementation(IMPLEMENTATION)
        self.model = model

    def __call__(self, plan: DevicePlan) -> Tensor:
        """Logits `[len(plan.wanted), vocab]` of the wanted rows. Raises Aborted."""
        return self._compute(plan, plan.tokens, plan.positions, plan.wanted)

    @torch.inference_mode()
    def probe(self, device: torch.device) -> LayerProbe:
        """What two tokens show of the layers; empty if none calls our attention."""
        probe, tokens = LayerProbe(), torch.arange(2, device=device)
        self._compute(probe, tokens, tokens, tokens[-1:])
        return probe

    def _compute(
        self, plan: DevicePlan | LayerProbe, tokens: Tensor, positions: Tensor, wanted: Tensor
    ) -> Tensor:
        token = current_plan.set(plan)
        try:
            output = self.model(
                input_ids=tokens[None], position_ids=positions[None], use_cache=False, logits_to_keep=wanted
            )
        finally:
            current_plan.reset(token)
        logits: Tensor = output.logits
        return logits[0]


def weight_bytes(model: torch.nn.Module) -> int:
    """Bytes of a model's parameters and int8 layers; shared ones count once."""
    plain = sum(parameter.nbytes for parameter in model.parameters())
    return plain + sum(module.nbytes for module in model.modules() if isinstance(module, Int8Linear))


def transformers_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The function registered as `IMPLEMENTATION`: transformers' attention interface, over the current plan.

    `query`, `key` and `value` are `[1, heads, T, size]`; the result is `[1, T, query_heads, value_size]`.
    """
    plan = current_plan.get()
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    form = Form(
        scale=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        window=int(kwargs.get("sliding_window") or 0),
        softcap=float(kwargs.get("softcap") or 0.0),
        sinks=kwargs.get("s_aux"),
    )
    if isinstance(plan, LayerProbe):
        plan.forms[layer] = form
        plan.shapes[layer] = LayerShape(key.shape[1], key.shape[3], value.shape[3])
        return query.new_zeros(1, query.shape[2], query.shape[1], value.shape[3]), None
    plan.check_abort()
    plan.store.write(layer, plan.writes, key, value)
    out = attend(plan, layer, query[0].transpose(0, 1), form)
    return out.view(1, out.shape[0], query.shape[1], -1), None


RECOMPUTED_SHAPES = {0: LayerShape(heads=1, key_size=1, value_size=0)}
"""The pool holds one number per token instead of keys: its id. Pages, sharing and copies work as usual."""

RECOMPUTED_DTYPE = torch.int64


class RecomputeForward:
    """Runs an unmodified transformers model on each row's token ids, which the pool holds."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters

    def __call__(self, plan: DevicePlan) -> Tensor:
        """Logits `[len(plan.wanted), vocab]` of the wanted rows. Raises Aborted."""
        ids = plan.tokens.view(1, 1, -1, 1)
        plan.store.write(0, plan.writes, ids, ids[..., :0])
        wanted = plan.wanted.tolist()
        parts = []
        for span in plan.spans:
            kept = sum(span.first <= row < span.first + span.count for row in wanted)
            if kept:
                plan.check_abort()
                parts.append(self._last(plan, span, kept))
        return torch.cat(parts) if parts else torch.empty(0, 0)

    def _last(self, plan: DevicePlan, span: RowSpan, kept: int) -> Tensor:
        ids = plan.store.read(0, span.slots)[0].view(1, -1)
        keep = {"logits_to_keep": kept} if self._keeps else {}
        logits: Tensor = self.model(input_ids=ids, use_cache=False, **keep).logits
        return logits[0, -kept:]
