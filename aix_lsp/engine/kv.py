"""The KV pool's tensors: one token-major buffer per layer. Knows slots, never sequences, pages' owners or
policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

Slots: TypeAlias = slice | Tensor
"""Where positions lie in a buffer: a slice where the run is contiguous, else an int64 tensor of slot
numbers."""


@dataclass(frozen=True, slots=True)
class LayerShape:
    """KV heads and the sizes of a key and of a value in one attention layer."""

    heads: int
    key_size: int
    value_size: int

    @property
    def width(self) -> int:
        """Elements that one token takes in this layer."""
        return self.heads * (self.key_size + self.value_size)


def bytes_per_token(shapes: Mapping[int, LayerShape], dtype: torch.dtype) -> int:
    """Bytes of KV that one token takes over all layers."""
    return sum(shape.width for shape in shapes.values()) * dtype.itemsize


class KvPool:
    """Keys and values of all layers in `[slots, heads * (key_size + value_size)]` buffers, one a layer.

    A token's keys of all heads stand before its values, so that a token is one contiguous run: writing a lean
    projection's output, gathering scattered pages and copying a page are one operation each. Slot `p *
    page_size + i` is token `i` of page `p`.
    """

    def __init__(
        self,
        shapes: Mapping[int, LayerShape],
        page_count: int,
        page_size: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.shapes = dict(shapes)
        self.page_count = page_count
        self.page_size = page_size
        self.dtype = dtype
        slots = page_count * page_size
        self._buffers = {
            layer: torch.empty(slots, shape.width, dtype=dtype, device=device)
            for layer, shape in shapes.items()
        }

    @property
    def nbytes(self) -> int:
        """Bytes that all buffers take."""
        return sum(buffer.nbytes for buffer in self._buffers.values())

    def write(self, layer: int, slots: Slots, key: Tensor, value: Tensor) -> None:
        """Store keys `[tokens, heads, key_size]` and values `[tokens, heads, value_size]` at `slots`."""
        shape = self.shapes[layer]
        buffer = self._buffers[layer]
        split = shape.heads * shape.key_size
        tokens = key.shape[0]
        if isinstance(slots, slice):
            buffer[slots, :split].view(tokens, shape.heads, shape.key_size).copy_(key)
            buffer[slots, split:].view(tokens, shape.heads, shape.value_size).copy_(value)
        else:
            joint = torch.cat((key.reshape(tokens, split), value.reshape(tokens, -1)), dim=1)
            buffer.index_copy_(0, slots, joint.to(self.dtype))

    def write_joint(self, layer: int, slots: Slots, joint: Tensor) -> None:
        """Store `[tokens, width]` rows of keys then values at `slots`."""
        if isinstance(slots, slice):
            self._buffers[layer][slots].copy_(joint)
        else:
            self._buffers[layer].index_copy_(0, slots, joint.to(self.dtype))

    def read(self, layer: int, slots: Slots) -> tuple[Tensor, Tensor]:
        """Keys `[tokens, heads, key_size]` and values `[tokens, heads, value_size]` at `slots`: views of
        the pool where the run is contiguous, else gathered copies."""
        shape = self.shapes[layer]
        buffer = self._buffers[layer]
        rows = buffer[slots] if isinstance(slots, slice) else buffer.index_select(0, slots)
        split = shape.heads * shape.key_size
        tokens = rows.shape[0]
        return (
            rows[:, :split].view(tokens, shape.heads, shape.key_size),
            rows[:, split:].view(tokens, shape.heads, shape.value_size),
        )

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Copy the first `tokens` slots of page `source` to page `target`."""
        size = self.page_size
        for buffer in self._buffers.values():
            buffer[target * size : target * size + tokens] = buffer[source * size : source * size + tokens]


class ShapeProbe:
    """Stands in for a pool in a model's first forward pass: keeps one sequence's KV and so learns the
    layers' shapes."""

    def __init__(self) -> None:
        self.shapes: dict[int, LayerShape] = {}
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def write(self, layer: int, slots: Slots, key: Tensor, value: Tensor) -> None:
        """Note the shapes and keep the tensors; `slots` must be all positions from 0."""
        self.shapes[layer] = LayerShape(key.shape[1], key.shape[2], value.shape[2])
        self._kept[layer] = (key, value)

    def read(self, layer: int, slots: Slots) -> tuple[Tensor, Tensor]:
        """The keys and values at `slots`."""
        key, value = self._kept[layer]
        return key[slots], value[slots]
