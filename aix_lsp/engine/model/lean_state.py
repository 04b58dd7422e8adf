"""Converts a LeanModel to named tensors, in the form that its kernels are made from, and back. Knows no files.

Tensors that kernels pack into a layout of their own (`repacked`) are read once; the others (`kept`) are used as they
are, so that they can stay in a memory-mapped file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from aix_lsp.engine.model.attention import Form
from aix_lsp.engine.model.kernel_choice import KernelChoice
from aix_lsp.engine.model.lean import PROJECTIONS, LeanLayer, LeanModel
from aix_lsp.engine.model.llama_shape import Dimensions, put_together
from aix_lsp.engine.model.projection import FloatProjection, Project, RmsNorm
from aix_lsp.engine.model.quantize import Int8Weight

_FORMATS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(slots=True)
class LeanState:
    """`kept` and `repacked` tensors by name; `layers` holds the layers' other attributes, in JSON's types."""

    kept: Mapping[str, Tensor]
    repacked: Mapping[str, Tensor]
    dimensions: Dimensions
    layers: list[dict[str, Any]]
    choice: KernelChoice


@dataclass(slots=True)
class _Parts:
    kept: dict[str, Tensor] = field(default_factory=dict)
    repacked: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, plain: FloatProjection, choice: KernelChoice, tied: bool = False) -> None:
        """Add a projection. If it is `tied` to the embedding, its float weight is left out."""
        if choice.needs_int8:
            weight = Int8Weight.of(plain)
            used_as_is = any(kernel.int8 and not kernel.packs for kernel in choice.kernels)
            (self.kept if used_as_is else self.repacked)[f"{name}.codes"] = weight.codes
            self.kept[f"{name}.scales"] = weight.scales
            self.kept[f"{name}.outliers"] = weight.outliers
            self.kept[f"{name}.inputs"] = torch.tensor(weight.inputs)
        if choice.needs_float and not tied:
            used_as_is = choice.uses("float32")
            stored = plain.weight.float() if used_as_is else _as_packed(plain.weight, choice)
            (self.kept if used_as_is else self.repacked)[f"{name}.weight"] = stored.contiguous()
        if plain.bias is not None:
            self.kept[f"{name}.bias"] = plain.bias.float()
        if plain.norm is not None:
            self.kept[f"{name}.norm"] = plain.norm.weight.float()
            self.kept[f"{name}.eps"] = torch.tensor(plain.norm.eps, dtype=torch.float64)


@torch.inference_mode()
def take_state(lean: LeanModel, dimensions: Dimensions, choice: KernelChoice) -> LeanState:
    """The state of a float model, whose projections are dropped one by one. Those that have observed inputs are
    quantised more accurately."""
    parts, layers = _Parts(), []
    head = lean.head
    assert isinstance(head, FloatProjection)
    tied = head.weight.data_ptr() == lean.embedding.data_ptr()
    for number, layer in enumerate(lean.layers):
        for name in PROJECTIONS:
            parts.add(f"{number}.{name}", getattr(layer, name), choice)
            setattr(layer, name, None)
        for name in ("query_norm", "key_norm"):
            norm: RmsNorm | None = getattr(layer, name)
            if norm is not None:
                parts.kept[f"{number}.{name}.norm"] = norm.weight
                parts.kept[f"{number}.{name}.eps"] = torch.tensor(norm.eps, dtype=torch.float64)
        form = layer.form
        layers.append(
            {"rotary": layer.rotary, "scale": form.scale, "window": form.window, "softcap": form.softcap}
        )
    shared = tied and choice.head.uses("float32")
    parts.add("head", head, choice.head, shared)
    parts.kept["embedding"] = lean.embedding.float() if shared else shortest(lean.embedding)
    parts.kept["turns"] = torch.view_as_real(lean.turns).contiguous()
    return LeanState(parts.kept, parts.repacked, dimensions, layers, choice)


@torch.inference_mode()
def restore(state: LeanState) -> LeanModel:
    """The model in float32, with the state's kernels. Raises KeyError if a tensor is missing, RuntimeError if a kernel
    cannot be made."""
    # Packing releases Python's lock, so two threads take half the time.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        head = pool.submit(_project, state, "head", state.choice.head)
        made = [
            {name: pool.submit(_project, state, f"{number}.{name}", state.choice) for name in PROJECTIONS}
            for number in range(len(state.layers))
        ]
    layers = []
    for number, (what, projections) in enumerate(zip(state.layers, made, strict=True)):
        layers.append(
            LeanLayer(
                **{name: project.result() for name, project in projections.items()},
                form=Form(what["scale"], what["window"], what["softcap"]),
                rotary=what["rotary"],
                query_norm=_norm(state.kept, f"{number}.query_norm"),
                key_norm=_norm(state.kept, f"{number}.key_norm"),
            )
        )
    turns = torch.view_as_complex(state.kept["turns"])
    lean = put_together(state.dimensions, state.kept["embedding"], layers, head.result(), turns)
    lean.dtype = lean.cache_dtype = torch.float32
    return lean


def shortest(weight: Tensor) -> Tensor:
    """The weight in bfloat16 if that is exact, as for most published weights; otherwise in float32."""
    if weight.dtype is torch.bfloat16:
        return weight
    short = weight.bfloat16()
    return short if bool((short.float() == weight).all()) else weight.float()


def _as_packed(weight: Tensor, choice: KernelChoice) -> Tensor:
    """The weight in the format that the kernels round it to when they pack it."""
    formats = {kernel.dtype for kernel in choice.kernels if not kernel.int8}
    return weight.to(_FORMATS[formats.pop()]) if len(formats) == 1 else shortest(weight)


@torch.inference_mode()
def _project(state: LeanState, name: str, choice: KernelChoice) -> Project:
    kept = state.kept
    bias, norm = kept.get(f"{name}.bias"), _norm(kept, name)
    plain = weight = None
    if choice.needs_float:
        found = kept.get(f"{name}.weight", state.repacked.get(f"{name}.weight"))
        plain = FloatProjection(kept["embedding"] if found is None else found, bias, norm)
    if choice.needs_int8:
        codes = kept.get(f"{name}.codes", state.repacked.get(f"{name}.codes"))
        if codes is None:
            raise KeyError(f"{name}.codes")
        inputs = int(kept[f"{name}.inputs"])
        weight = Int8Weight(codes, kept[f"{name}.scales"], kept[f"{name}.outliers"], inputs, bias, norm)
    return choice.make(plain, weight)


def _norm(kept: Mapping[str, Tensor], name: str) -> RmsNorm | None:
    weight = kept.get(f"{name}.norm")
    return None if weight is None else RmsNorm(weight, float(kept[f"{name}.eps"]))
