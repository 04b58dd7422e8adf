"""Chooses the number formats that a model is loaded and run in. Knows devices and CPUs, no model structure."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from aix_lsp.engine.options import ModelError

_NAMES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_LARGE = 1_500_000_000
"""Parameters from which a model is never held in float32, not even while it is quantised."""


@dataclass(frozen=True, slots=True)
class Precision:
    """`load` is the dtype of weights when read; `name` is what the user sees: `int8`, or the name of `load`."""

    name: str
    load: torch.dtype

    @property
    def int8(self) -> bool:
        """Whether weights are quantised after they are read."""
        return self.name == "int8"


def find_device(name: str) -> torch.device:
    """The device that the setting `device` names; `auto`: the first available of CUDA, MPS, CPU. Raises ModelError."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in found.items() if there))
    kind = name.partition(":")[0]
    if kind not in found:
        raise ModelError(f"the setting device is {name}; it can be auto, cpu, cuda, cuda:N or mps")
    if not found[kind]:
        raise ModelError(
            f"the setting device is {name}, which this torch does not see here; set it to auto or cpu"
        )
    try:
        torch.empty(1, device=name)
    except RuntimeError as error:
        raise ModelError(f"the device {name} cannot be used ({error}); change the setting device") from error
    return torch.device(name)


def choose(name: str, device: torch.device, parameters: int) -> Precision:
    """The precision that the setting `dtype` names; `auto` is int8 on CPUs with fast int8 products,
    bfloat16 on GPUs. Raises ModelError."""
    if name == "auto":
        name = _automatic(device, parameters)
    if name == "int8":
        if device.type != "cpu":
            raise ModelError("dtype int8 is for the CPU; set dtype to auto or bfloat16, or device to cpu")
        return Precision("int8", torch.float32 if parameters < _LARGE else torch.bfloat16)
    if name not in _NAMES:
        raise ModelError(f"the setting dtype is {name}; it can be auto, int8, {', '.join(_NAMES)}")
    return Precision(name, _NAMES[name])


def unquantised(device: torch.device, parameters: int) -> Precision:
    """The replacement for int8 if a model cannot be quantised."""
    return choose(
        "bfloat16" if device.type != "cpu" or parameters >= _LARGE else "float32", device, parameters
    )


def _automatic(device: torch.device, parameters: int) -> str:
    if device.type == "cpu" and "fbgemm" in torch.backends.quantized.supported_engines:
        return "int8"
    return unquantised(device, parameters).name
