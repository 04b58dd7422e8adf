"""Muon for matrices, AdamW for embeddings and norms, behind one step. Knows a model's parameter names only."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from aix_lsp.training.precision import product_dtype

# Quintic Newton-Schulz iteration that pushes all singular values towards 1 (Jordan et al. 2024, "Muon").
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Momentum whose update is nearly orthogonalised before it is applied."""

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": 0.95, "decay": 0.05})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Apply one update with Nesterov momentum, scaled by √max(1, rows/columns)."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                average = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                update = orthogonal(parameter.grad.lerp(average, group["momentum"]))
                rows, columns = parameter.shape
                parameter.mul_(1 - group["lr"] * group["decay"])
                parameter.add_(update, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix close to the nearest one with orthonormal rows or columns, float32."""
    a, b, c = _COEFFICIENTS
    x = matrix.to(product_dtype(matrix.device.type))
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.t()
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.t()
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.t() if tall else x).float()


class Optimizers:
    """Both optimizers as one, with a common factor on their learning rates."""

    def __init__(self, model: nn.Module, matrix_rate: float, other_rate: float) -> None:
        learned = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        matrices = [p for name, p in learned if matrix_rate and p.ndim == 2 and "embed" not in name]
        others = [p for name, p in learned if not matrix_rate or p.ndim != 2 or "embed" in name]
        fused = others[0].device.type in {"cpu", "cuda"}
        adam = torch.optim.AdamW(others, lr=other_rate, betas=(0.9, 0.95), weight_decay=0.01, fused=fused)
        self._both: list[torch.optim.Optimizer] = [Muon(matrices, lr=matrix_rate)] if matrices else []
        self._both.append(adam)
        self._rates = [matrix_rate, other_rate][-len(self._both) :]

    def step(self, factor: float) -> None:
        """Update with the learning rates times `factor`, then clear the gradients."""
        for optimizer, rate in zip(self._both, self._rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, object]]:
        """The state for a checkpoint."""
        return [optimizer.state_dict() for optimizer in self._both]

    def load(self, state: list[dict[str, object]]) -> None:
        """Restore what `state` returned."""
        for optimizer, part in zip(self._both, state, strict=True):
            optimizer.load_state_dict(part)
