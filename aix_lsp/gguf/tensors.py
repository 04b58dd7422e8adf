"""Reads a GGUF file's tensors as float32."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from aix_lsp.gguf.header import GgufError, Header, Tensor, damage, type_name

_CHUNK = 16_000_000  # values dequantised at a time


def values_of(data: Any, tensor: Tensor, rows: slice | None = None) -> Any:
    """The tensor, or some of its rows, in float32. Raises GgufError."""
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    kind = GGMLQuantizationType(tensor.kind)
    stored = data[tensor.start : tensor.start + tensor.nbytes]
    lines = stored.reshape(-1, tensor.row_bytes)
    if rows is not None:
        lines = lines[rows]
    at_once = max(1, _CHUNK // tensor.shape[-1])
    parts = [
        _dequantised(dequantize, lines[start : start + at_once], kind, tensor)
        for start in range(0, len(lines), at_once)
    ]
    values = np.concatenate(parts) if len(parts) > 1 else parts[0]
    return values if rows is not None else values.reshape(tensor.shape)


def _dequantised(dequantize: Any, stored: Any, kind: Any, tensor: Tensor) -> Any:
    try:
        plain = {"F32": np.float32, "F16": np.float16}.get(kind.name)
        return stored.view(plain).astype(np.float32) if plain else dequantize(stored, kind)
    except NotImplementedError:
        said = f"its tensor {tensor.name} is of type {type_name(tensor.kind)}, which cannot be read here"
        raise GgufError(said) from None


@damage()
def check_types(header: Header) -> None:
    """Raise GgufError if a tensor's type cannot be dequantised, before more than a row of each is read."""
    data = np.memmap(header.path, np.uint8, mode="r")
    for tensor in header.tensors.values():
        values_of(data, replace(tensor, shape=(1, tensor.shape[-1]), nbytes=tensor.row_bytes))
