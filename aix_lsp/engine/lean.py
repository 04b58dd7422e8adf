"""The forward pass of Llama-shaped models in as few operations as torch allows. Knows the block, no
family's names.

At a few million to a few hundred million parameters dispatching operations costs as much as computing them,
so projections are fused, rotary embedding is one complex product, and a token's new keys and values are one
copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from aix_lsp.engine.attention import Form, attend
from aix_lsp.engine.plan import Plan
from aix_lsp.engine.projection import FloatProjection, Project, RmsNorm


@dataclass(slots=True)
class LeanLayer:
    """One block: norm, attention, norm, gated MLP; norms in front are inside the projections.

    `qkv` gives queries, keys and values side by side, their halves interleaved so that neighbours are the
    real and the imaginary part of what the rotary embedding turns. `gate_up` gives gate and up side by
    side.
    """

    qkv: Project
    out: Project
    gate_up: Project
    down: Project
    form: Form
    rotary: bool = True
    query_norm: RmsNorm | None = None
    key_norm: RmsNorm | None = None


@dataclass(slots=True)
class LeanModel:
    """All of a Llama-shaped model. `turns` is `[positions, 1, head_size / 2]` complex64; multipliers are
    Granite's and Gemma's, 1 elsewhere; `dtype` is that of activations and of the KV pool."""

    embedding: Tensor
    layers: list[LeanLayer]
    head: Project
    turns: Tensor
    query_heads: int
    key_heads: int
    head_size: int
    activation: Callable[[Tensor], Tensor]
    dtype: torch.dtype
    embedding_scale: float = 1.0
    residual_scale: float = 1.0
    logit_scale: float = 1.0

    def convert(self, make: Callable[[FloatProjection], Project]) -> None:
        """Replace each projection by what `make` makes of it, one by one, so that memory holds one weight
        twice."""
        for layer in self.layers:
            for name in ("qkv", "out", "gate_up", "down"):
                setattr(layer, name, make(getattr(layer, name)))
        if isinstance(self.head, FloatProjection):
            self.head = make(self.head)


class LeanForward:
    """Runs a LeanModel over a step's plan."""

    def __init__(self, model: LeanModel) -> None:
        self.model = model

    def __call__(self, plan: Plan) -> Tensor:
        """Logits `[len(plan.wanted), vocab]` of the wanted rows. Raises Aborted."""
        model = self.model
        rows = model.embedding.index_select(0, plan.tokens).to(model.dtype)
        if model.embedding_scale != 1.0:
            rows.mul_(model.embedding_scale)
        turns = model.turns.index_select(0, plan.positions)
        *before, last = model.layers
        for index, layer in enumerate(before):
            plan.check_abort()
            rows = self._block(
                layer, rows, attend(plan, index, self._query(plan, index, layer, rows, turns), layer.form)
            )
        query = self._query(plan, len(before), last, rows, turns)
        if not plan.wanted.shape[0]:
            return rows.new_empty(0, 0)
        # Beyond the last layer's keys and values nothing is wanted of the other rows.
        mixed = plan.keep_wanted(attend(plan, len(before), query, last.form))
        logits = model.head(self._block(last, plan.keep_wanted(rows), mixed))
        return logits if model.logit_scale == 1.0 else logits.mul_(model.logit_scale)

    def _query(self, plan: Plan, index: int, layer: LeanLayer, rows: Tensor, turns: Tensor) -> Tensor:
        """A layer's queries `[T, query_heads, head_size]`; its keys and values are written to the pool."""
        model = self.model
        count = rows.shape[0]
        split = model.query_heads * model.head_size
        joint = layer.qkv(rows).float()
        heads = joint[:, : split + model.key_heads * model.head_size].view(count, -1, model.head_size)
        if layer.query_norm is not None and layer.key_norm is not None:
            heads[:, : model.query_heads] = layer.query_norm(heads[:, : model.query_heads])
            heads[:, model.query_heads :] = layer.key_norm(heads[:, model.query_heads :])
        if layer.rotary:
            torch.view_as_complex(heads.view(count, heads.shape[1], -1, 2)).mul_(turns)
        new = joint[:, split:].view(count, 2 * model.key_heads, model.head_size)
        plan.store.write_joint(index, plan.writes, new.transpose(0, 1))
        return heads[:, : model.query_heads].to(model.dtype)

    def _block(self, layer: LeanLayer, rows: Tensor, mixed: Tensor) -> Tensor:
        model = self.model
        """The rest of a layer, from its input and its attention's result."""
        added = layer.out(mixed.flatten(1))
        rows = rows + (added if model.residual_scale == 1.0 else added.mul_(model.residual_scale))
        gate, up = layer.gate_up(rows).chunk(2, dim=-1)
        added = layer.down(model.activation(gate).mul_(up))
        return rows.add_(added if model.residual_scale == 1.0 else added.mul_(model.residual_scale))
