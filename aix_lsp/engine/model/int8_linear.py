"""Int8 replacements for the linear layers of a transformers model. Knows kernels, no model structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from aix_lsp.engine.model.kernel_choice import ALL_FLOAT32, KernelChoice, choose, measure
from aix_lsp.engine.model.kernels import Kernel
from aix_lsp.engine.model.projection import FloatProjection
from aix_lsp.engine.model.quantize import Int8Weight


class Int8Linear(torch.nn.Module):
    """Replaces an `nn.Linear` in a transformers model."""

    def __init__(self, plain: FloatProjection, choice: KernelChoice) -> None:
        super().__init__()
        self.out_features, self.in_features = plain.weight.shape
        self._project = choice.make(plain, Int8Weight.of(plain))

    @property
    def nbytes(self) -> int:
        """Bytes of the weight."""
        return self._project.nbytes

    def forward(self, rows: Tensor) -> Tensor:
        """Like `nn.Linear`: `[…, in]` to `[…, out]`, in the dtype of `rows`."""
        flat = rows.reshape(-1, self.in_features).float()
        if not flat.shape[0]:
            return rows.new_empty(*rows.shape[:-1], self.out_features)
        return self._project(flat).to(rows.dtype).view(*rows.shape[:-1], self.out_features)


@contextmanager
def observed(model: torch.nn.Module) -> Iterator[dict[torch.nn.Module, FloatProjection]]:
    """All `nn.Linear` in `model` as projections, which observe their inputs within the context."""
    plains: dict[torch.nn.Module, FloatProjection] = {}
    hooks = []
    for linear in model.modules():
        if type(linear) is torch.nn.Linear:
            bias = None if linear.bias is None else linear.bias.detach()
            plain = plains[linear] = FloatProjection(linear.weight.detach(), bias)
            plain.seen = torch.zeros(linear.in_features, device=linear.weight.device)
            hooks.append(linear.register_forward_pre_hook(_noting(plain.seen)))
    try:
        yield plains
    finally:
        for hook in hooks:
            hook.remove()


def _noting(seen: Tensor) -> Callable[[torch.nn.Module, tuple[Tensor, ...]], None]:
    def note(linear: torch.nn.Module, given: tuple[Tensor, ...]) -> None:
        rows = given[0].detach()
        seen.add_(rows.reshape(-1, rows.shape[-1]).float().square().sum(0))

    return note


@torch.inference_mode()
def quantize_linears(
    model: torch.nn.Module, plains: dict[torch.nn.Module, FloatProjection], kernels: Sequence[Kernel]
) -> KernelChoice:
    """Replace all `plains` in `model` by int8 layers, one by one, using the fastest kernels that are correct here.
    Consumes `plains`. Other weights (experts, convolutions) stay. Raises RuntimeError if no kernel is correct."""
    choice = choose(measure(list(plains.values()), kernels), sum(p.weight.numel() for p in plains.values()))
    if choice == ALL_FLOAT32:
        raise RuntimeError("no int8 kernel is correct on this CPU")
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if child in plains:
                setattr(parent, name, Int8Linear(plains.pop(child), choice))
    return choice
