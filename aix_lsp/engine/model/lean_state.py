"""Converts a LeanModel to named tensors, in the form that its kernels are made from, and back. Knows no files.

Tensors that kernels pack into a layout of their own (`repacked`) are read once; the others (`kept`) are used as they
are, so that they can stay in a memory-mapped file.
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from aix_lsp.engine.model.attention import Form
from aix_lsp.engine.model.kernel_choice import KernelChoice
from aix_lsp.engine.model.kernels import FLOAT32
from aix_lsp.engine.model.lean import PROJECTIONS, Dimensions, LeanLayer, LeanModel
from aix_lsp.engine.model.memory import mapped_apart
from aix_lsp.engine.model.projection import FloatProjection, Project, RmsNorm
from aix_lsp.engine.model.quantize import Int8Weight

_FORMATS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class LeanConfig:
    """A LeanModel without its tensors: its dimensions, each layer's attention and whether it is rotary, its kernels."""

    dimensions: Dimensions
    forms: list[Form]
    rotary: list[bool]
    choice: KernelChoice


@dataclass(slots=True)
class LeanState:
    """A LeanModel's configuration, and its `kept` and `repacked` tensors by name."""

    config: LeanConfig
    kept: dict[str, Tensor]
    repacked: dict[str, Tensor]

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
            used_as_is = FLOAT32 in choice.kernels
            stored = plain.weight.float() if used_as_is else _as_packed(plain.weight, choice)
            (self.kept if used_as_is else self.repacked)[f"{name}.weight"] = stored.contiguous()
        if plain.bias is not None:
            self.kept[f"{name}.bias"] = plain.bias.float()
        self.add_norm(name, plain.norm)

    def add_norm(self, name: str, norm: RmsNorm | None) -> None:
        """Add a norm, if there is one."""
        if norm is not None:
            self.kept[f"{name}.norm"] = norm.weight.float()
            self.kept[f"{name}.eps"] = torch.tensor(norm.eps, dtype=torch.float64)


@torch.inference_mode()
def take_state(lean: LeanModel, choice: KernelChoice) -> LeanState:
    """The state of a float model, whose projections are dropped one by one. Those that have observed inputs are
    quantised more accurately."""
    forms, rotary = [layer.form for layer in lean.layers], [layer.rotary for layer in lean.layers]
    state = LeanState(LeanConfig(lean.dimensions, forms, rotary, choice), {}, {})
    head = lean.head
    assert isinstance(head, FloatProjection)
    for number, layer in enumerate(lean.layers):
        for name in PROJECTIONS:
            state.add(f"{number}.{name}", getattr(layer, name), choice)
            setattr(layer, name, None)
        state.add_norm(f"{number}.query_norm", layer.query_norm)
        state.add_norm(f"{number}.key_norm", layer.key_norm)
    tied = head.weight.data_ptr() == lean.embedding.data_ptr()
    shared = tied and FLOAT32 in choice.head.kernels
    state.add("head", head, choice.head, shared)
    state.kept["embedding"] = lean.embedding.float() if shared else _shortest(lean.embedding)
    state.kept["turns"] = torch.view_as_real(lean.turns).contiguous()
    return state


@torch.inference_mode()
def restore(state: LeanState) -> LeanModel:
    """The model in float32, with the state's kernels. Raises KeyError if a tensor is missing, RuntimeError if a kernel
    cannot be made."""
    config, kept = state.config, state.kept
    # Packing releases Python's lock, so two threads take half the time.
    with mapped_apart(), ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        head = pool.submit(_project, state, "head", config.choice.head)
        made = [
            {name: pool.submit(_project, state, f"{number}.{name}", config.choice) for name in PROJECTIONS}
            for number in range(len(config.forms))
        ]
    layers = [
        LeanLayer(
            **{name: project.result() for name, project in projections.items()},
            form=form,
            rotary=rotary,
            query_norm=_norm(kept, f"{number}.query_norm"),
            key_norm=_norm(kept, f"{number}.key_norm"),
        )
        for number, (form, rotary, projections) in enumerate(
            zip(config.forms, config.rotary, made, strict=True)
        )
    ]
    turns = torch.view_as_complex(kept["turns"])
    return LeanModel(config.dimensions, kept["embedding"], layers, head.result(), turns, torch.float32)


def _shortest(weight: Tensor) -> Tensor:
    """The weight in bfloat16 if that is exact, as for most published weights; otherwise in float32."""
    if weight.dtype is torch.bfloat16:
        return weight
    short = weight.bfloat16()
    return short if bool((short.float() == weight).all()) else weight.float()


def _as_packed(weight: Tensor, choice: KernelChoice) -> Tensor:
    """The weight in the format that the kernels round it to when they pack it."""
    formats = {kernel.dtype for kernel in choice.kernels if not kernel.int8}
    return weight.to(_FORMATS[formats.pop()]) if len(formats) == 1 else _shortest(weight)


@torch.inference_mode()
def _project(state: LeanState, name: str, choice: KernelChoice) -> Project:
    found = ChainMap(state.kept, state.repacked)
    bias, norm = found.get(f"{name}.bias"), _norm(found, name)
    plain = weight = None
    if choice.needs_float:
        plain = FloatProjection(found.get(f"{name}.weight", found["embedding"]), bias, norm)
    if choice.needs_int8:
        codes, scales, outliers = (found[f"{name}.{part}"] for part in ("codes", "scales", "outliers"))
        weight = Int8Weight(codes, scales, outliers, int(found[f"{name}.inputs"]), bias, norm)
    return choice.make(plain, weight)


def _norm(kept: Mapping[str, Tensor], name: str) -> RmsNorm | None:
    weight = kept.get(f"{name}.norm")
    return None if weight is None else RmsNorm(weight, float(kept[f"{name}.eps"]))
