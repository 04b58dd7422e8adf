"""Chooses what makes training fast on this machine: the dtype of products, and torch.compile. Knows no models."""

from __future__ import annotations

import os
import shutil
import time
from functools import cache

import torch

_ROWS, _WIDTH, _TIMES = 512, 768, 5
_SHARE_OF_PRODUCTS = 0.5  # of a step's time; measured with 6.5 M and 117 M weights


@cache
def product_dtype(device: str = "cpu") -> torch.dtype:
    """bfloat16 on GPUs, and on CPUs whose products are faster in it; otherwise float32.

    A CPU without bfloat16 instructions computes it many times slower than float32, or not at all.
    """
    if device != "cpu":
        return torch.bfloat16
    try:
        return torch.bfloat16 if _seconds(torch.bfloat16) < _seconds(torch.float32) else torch.float32
    except RuntimeError:
        return torch.float32


def seconds_a_token(parameters: int, workers: int, learned: float = 1.0) -> float:
    """Estimated time per token of training on this CPU, from the speed of its products.

    `learned` is the share of the backward pass that is computed: half of it are the gradients of inputs, half those
    of weights.
    """
    operations = parameters * (2 + 4 * learned)
    of_product = 2 * _ROWS * _WIDTH * _WIDTH
    return operations / of_product * _seconds(product_dtype()) / workers / _SHARE_OF_PRODUCTS


def can_compile() -> bool:
    """Whether torch.compile finds the C++ compiler that it needs on a CPU."""
    wanted = os.environ.get("CXX", "")
    return torch.cuda.is_available() or any(map(shutil.which, filter(None, (wanted, "g++", "clang++", "cl"))))


def _seconds(dtype: torch.dtype) -> float:
    """The shortest time of one product of a layer's size; the first one may set up kernels."""
    left, right = torch.ones(_ROWS, _WIDTH, dtype=dtype), torch.ones(_WIDTH, _WIDTH, dtype=dtype)
    least = float("inf")
    for _ in range(_TIMES):
        started = time.perf_counter()
        torch.nn.functional.linear(left, right)
        least = min(least, time.perf_counter() - started)
    return least
