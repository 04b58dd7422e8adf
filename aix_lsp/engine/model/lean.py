"""The forward pass of Llama-shaped models in as few operations as torch allows. Knows the block, no family names.

With a few million to a few hundred million parameters, dispatching operations costs as much as computing them.
Therefore projections are fused, rotary embedding is one complex product, and a token's new keys and values are written
in one copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from aix_lsp.engine.model.attention import Form, attend, attend_tokens, folded_queries
from aix_lsp.engine.model.kv import LayerShape
from aix_lsp.engine.model.plan import DevicePlan
from aix_lsp.engine.model.projection import FloatProjection, Project, RmsNorm


@dataclass(slots=True)
class LeanLayer:
    """One block: norm, attention, norm, gated MLP. The norms are part of the projections that follow them.

    `qkv` computes queries, keys and values side by side, with the halves of queries and keys interleaved, so that
    neighbours are the real and imaginary parts that the rotary embedding rotates. `gate_up` computes gate and up side
    by side.
    """

    qkv: Project
    out: Project
    gate_up: Project
    down: Project
    form: Form
    rotary: bool = True
    query_norm: RmsNorm | None = None
    key_norm: RmsNorm | None = None


PROJECTIONS = ("qkv", "out", "gate_up", "down")


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The numbers in a model's configuration, in JSON's types; the scales are those of Granite and Gemma, 1
    elsewhere."""

    query_heads: int
    key_heads: int
    middle_size: int
    activation: str
    embedding_scale: float = 1.0
    logit_scale: float = 1.0


@dataclass(slots=True)
class LeanModel:
    """A complete Llama-shaped model. `turns` is the rotary table `[positions, 1, head_size / 2]` complex64; `dtype` is
    that of activations and the KV pool."""

    dimensions: Dimensions
    embedding: Tensor
    layers: list[LeanLayer]
    head: Project
    turns: Tensor
    dtype: torch.dtype

    @property
    def vocab_size(self) -> int:
        """Width of the logits."""
        return self.embedding.shape[0]

    @property
    def head_size(self) -> int:
        """Elements of a query, a key or a value."""
        return 2 * self.turns.shape[-1]

    @property
    def shapes(self) -> dict[int, LayerShape]:
        """The KV shape of each layer."""
        shape = LayerShape(self.dimensions.key_heads, self.head_size, self.head_size)
        return dict.fromkeys(range(len(self.layers)), shape)

    @property
    def _projections(self) -> list[Project]:
        inner = (p for layer in self.layers for p in (layer.qkv, layer.out, layer.gate_up, layer.down))
        return [self.head, *inner]

    def weight_count(self) -> int:
        """Elements of all projections' matrices; requires all of them to be in float."""
        return sum(made.weight.numel() for made in self._projections if isinstance(made, FloatProjection))

    def layer_projections(self) -> list[FloatProjection]:
        """The layers' projections, first layer first; requires all of them to be in float."""
        return [made for made in self._projections[1:] if isinstance(made, FloatProjection)]

    def observe(self) -> None:
        """Make float projections record the magnitudes of their inputs from now on."""
        for made in self._projections:
            if isinstance(made, FloatProjection):
                made.seen = torch.zeros(made.weight.shape[1], device=made.weight.device)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights; those that head and embedding share count once."""
        head, embedding = self.head, self.embedding
        shared = isinstance(head, FloatProjection) and head.weight.data_ptr() == embedding.data_ptr()
        return sum(made.nbytes for made in self._projections) + (0 if shared else embedding.nbytes)

    def convert(self, make: Callable[[FloatProjection], Project], progress: Callable[[float], None]) -> None:
        """Replace each projection by the result of `make`, one by one, so that only one weight is in memory twice.
        `progress` is called with the share that is done."""
        for number, layer in enumerate(self.layers):
            for name in PROJECTIONS:
                setattr(layer, name, make(getattr(layer, name)))
            progress(number / len(self.layers))
        assert isinstance(self.head, FloatProjection)
        self.head = make(self.head)


class _Workspace:
    """The outputs of the projections in a step of `count` rows, and the views of them that a layer needs.

    Kept between steps, so that a decoded token needs no slicing: at 6.5 M parameters, that was a third of its
    operations.
    """

    def __init__(self, model: LeanModel, count: int) -> None:
        about, size, device = model.dimensions, model.head_size, model.embedding.device
        queries, keys = about.query_heads, about.key_heads
        self.joint = torch.empty(count, (queries + 2 * keys) * size, device=device)
        by_head = self.joint.view(count, -1, size)
        self.query = by_head[:, :queries]
        self.key = by_head[:, queries : queries + keys]
        self.turned = torch.view_as_complex(by_head[:, :-keys].view(count, -1, size // 2, 2))
        self.new = by_head[None, :, queries:].transpose(1, 2)
        self.queries = folded_queries(self.query, keys)
        self.gate_up = torch.empty(count, 2 * about.middle_size, dtype=model.dtype, device=device)
        self.gate, self.up = self.gate_up.chunk(2, dim=-1)


_KEPT_ROWS = 32


class LeanForward:
    """Runs a LeanModel over a step's plan."""

    def __init__(self, model: LeanModel) -> None:
        """Raises ValueError for an activation that is not known."""
        self.model = model
        self._activate = _activation(model.dimensions.activation)
        self._kept: dict[int, _Workspace] = {}

    def __call__(self, plan: DevicePlan) -> Tensor:
        """Logits `[len(plan.wanted), vocab]` of the wanted rows. Raises Aborted."""
        model, about = self.model, self.model.dimensions
        rows = model.embedding.index_select(0, plan.tokens).to(model.dtype)
        if about.embedding_scale != 1.0:
            rows.mul_(about.embedding_scale)
        turns = model.turns.index_select(0, plan.positions)
        space = self._workspace(rows.shape[0])
        *before, last = model.layers
        for index, layer in enumerate(before):
            plan.check_abort()
            self._project(plan, index, layer, rows, turns, space)
            self._mix(layer, rows, self._attend(plan, index, layer, space), space)
        self._project(plan, len(before), last, rows, turns, space)
        if not plan.wanted.shape[0]:
            return rows.new_empty(0, 0)
        # After the last layer's keys and values, the other rows are not needed.
        mixed = plan.keep_wanted(self._attend(plan, len(before), last, space))
        rows = plan.keep_wanted(rows)
        self._mix(last, rows, mixed, self._workspace(rows.shape[0]))
        logits = model.head(rows)
        return logits if about.logit_scale == 1.0 else logits.mul_(about.logit_scale)

    def _workspace(self, count: int) -> _Workspace:
        space = self._kept.get(count)
        if space is None:
            space = _Workspace(self.model, count)
            if count <= _KEPT_ROWS:
                self._kept[count] = space
        return space

    def _project(
        self, plan: DevicePlan, index: int, layer: LeanLayer, rows: Tensor, turns: Tensor, space: _Workspace
    ) -> None:
        """Compute a layer's queries into `space`, its keys and values into the pool."""
        layer.qkv(rows, space.joint)
        if layer.query_norm is not None and layer.key_norm is not None:
            space.query.copy_(layer.query_norm(space.query))
            space.key.copy_(layer.key_norm(space.key))
        if layer.rotary:
            space.turned.mul_(turns)
        plan.store.write_joint(index, plan.writes, space.new)

    def _attend(self, plan: DevicePlan, index: int, layer: LeanLayer, space: _Workspace) -> Tensor:
        """Attention of the queries in `space`: `[T, query_heads * head_size]`."""
        if self.model.dtype is not torch.float32:
            return attend(plan, index, space.query.to(self.model.dtype), layer.form)
        if plan.decoding and plan.batch is None and layer.form.plain:
            return attend_tokens(plan, index, space.queries, layer.form)
        return attend(plan, index, space.query, layer.form)

    def _mix(self, layer: LeanLayer, rows: Tensor, mixed: Tensor, space: _Workspace) -> None:
        """The rest of a layer, added to its input `rows` in place."""
        layer.out.add(mixed, rows)
        layer.gate_up(rows, space.gate_up)
        layer.down.add(self._activate(space.gate).mul_(space.up), rows)


def _activation(name: str) -> Callable[[Tensor], Tensor]:
    if name == "silu":
        return torch.nn.functional.silu
    if name in ("gelu_pytorch_tanh", "gelu_new"):
        return partial(torch.nn.functional.gelu, approximate="tanh")
    raise ValueError(f"activation {name}")
