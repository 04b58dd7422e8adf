"""Reads a GGUF file of a well-known shape straight into a LeanModel, without transformers.

For the blocks of Llama and Qwen2 with plain rotary embeddings, whose layout llama.cpp's converters define; everything
else is read by transformers. `tests/engine/model/test_gguf_lean.py` compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aix_lsp.engine.model.attention import Form
from aix_lsp.engine.model.gguf import THREADS, header_of
from aix_lsp.engine.model.lean import Dimensions, LeanLayer, LeanModel
from aix_lsp.engine.model.llama_shape import LONGEST, interleaved
from aix_lsp.engine.model.projection import FloatProjection, RmsNorm
from aix_lsp.gguf.header import Header
from aix_lsp.gguf.tensors import values_of

_MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
_NORMS = ("attn_norm", "ffn_norm")
_BIASES = {"llama": (), "qwen2": ("attn_q", "attn_k", "attn_v")}
"""The projections with a bias, by architecture."""
_INTERLEAVED = {"llama"}
"""Architectures whose queries and keys are stored with each head's halves interleaved, as in LeanModel."""


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A GGUF file that can be read this way: its header, and the configuration made from it."""

    header: Header
    about: dict[str, Any]

    @property
    def context(self) -> int:
        """The model's context length in tokens."""
        return min(int(self.about["max_position_embeddings"]), LONGEST)

    @property
    def ends(self) -> frozenset[int]:
        """The end tokens."""
        return frozenset({self.about["eos_token_id"]} - {None})

    @property
    def vocab_size(self) -> int:
        """Width of the logits."""
        return int(self.about["vocab_size"])

    @property
    def head_size(self) -> int:
        """Elements of a query, a key or a value."""
        given = self.about.get("head_dim")
        return int(given or self.about["hidden_size"] // self.about["num_attention_heads"])

    def read(self, dtype: torch.dtype) -> LeanModel:
        """The model with its weights in `dtype`. Raises GgufError."""
        about, data = self.about, np.memmap(self.header.path, np.uint8, mode="r")

        def tensor(name: str) -> Tensor:
            values = values_of(data, self.header.tensors[name])
            return torch.from_numpy(np.ascontiguousarray(values)).to(dtype)

        with ThreadPoolExecutor(THREADS) as pool:
            layers = list(pool.map(partial(self._layer, tensor), range(about["num_hidden_layers"])))
        embedding = tensor("token_embd.weight")
        head = tensor("output.weight") if "output.weight" in self.header.tensors else embedding
        if about["tie_word_embeddings"]:
            embedding = head
        project = FloatProjection(head, None, self._norm(tensor, "output_norm"))
        heads, middle = (
            (about["num_attention_heads"], about["num_key_value_heads"]),
            about["intermediate_size"],
        )
        dimensions = Dimensions(*heads, middle, activation="silu")
        return LeanModel(dimensions, embedding, layers, project, self._turns(), dtype)

    def _layer(self, tensor: Callable[[str], Tensor], number: int) -> LeanLayer:
        block = f"blk.{number}"
        architecture = self.header.architecture
        biased = _BIASES[architecture]

        def turned(name: str, values: Tensor) -> Tensor:
            other = name in ("attn_q", "attn_k") and architecture not in _INTERLEAVED
            return interleaved(values, self.head_size) if other else values

        parts = ("attn_q", "attn_k", "attn_v")
        weights = [turned(name, tensor(f"{block}.{name}.weight")) for name in parts]
        biases = [turned(name, tensor(f"{block}.{name}.bias")) for name in parts if name in biased]
        gate_up = [tensor(f"{block}.ffn_{name}.weight") for name in ("gate", "up")]
        return LeanLayer(
            qkv=FloatProjection(
                torch.cat(weights),
                torch.cat(biases) if biases else None,
                self._norm(tensor, f"{block}.attn_norm"),
            ),
            out=FloatProjection(tensor(f"{block}.attn_output.weight")),
            gate_up=FloatProjection(torch.cat(gate_up), None, self._norm(tensor, f"{block}.ffn_norm")),
            down=FloatProjection(tensor(f"{block}.ffn_down.weight")),
            form=Form(self.head_size**-0.5),
        )

    def _norm(self, tensor: Callable[[str], Tensor], name: str) -> RmsNorm:
        return RmsNorm(tensor(f"{name}.weight"), float(self.about["rms_norm_eps"]))

    def _turns(self) -> Tensor:
        """See `LeanModel`; in float32, as transformers computes them."""
        size = self.head_size
        base = float(self.about["rope_parameters"]["rope_theta"])
        frequencies = 1.0 / base ** (torch.arange(0, size, 2).float() / size)
        angles = torch.arange(self.context).float()[:, None] * frequencies
        return torch.complex(angles.cos(), angles.sin())[:, None]


def plain_file(folder: Path) -> PlainFile | None:
    """The file behind a folder made by `gguf.prepare`, if it holds exactly the tensors of a plain model; otherwise
    None. Raises ModelError if the file cannot be read."""
    header = header_of(folder)
    about = json.loads((folder / "config.json").read_text("utf-8"))
    if header.architecture not in _BIASES or about["rope_parameters"]["rope_type"] != "default":
        return None
    needed = ("rms_norm_eps", "num_key_value_heads", "intermediate_size", "max_position_embeddings")
    if any(name not in about for name in needed):
        return None
    file = PlainFile(header, about)
    sizes = {header.of_architecture(f"attention.{name}_length") for name in ("key", "value")} - {None}
    sizes |= {header.of_architecture("rope.dimension_count")} - {None}
    fits = sizes <= {file.head_size} and {name: tensor.shape for name, tensor in header.tensors.items()} in (
        shapes := _shapes(file),
        {**shapes, "output.weight": shapes["token_embd.weight"]},
    )
    return file if fits else None


def _shapes(file: PlainFile) -> dict[str, tuple[int, ...]]:
    """The names and shapes of all tensors of a plain model with tied embeddings."""
    about = file.about
    hidden, middle = about["hidden_size"], about["intermediate_size"]
    query, key = (about[f"num_{kind}_heads"] * file.head_size for kind in ("attention", "key_value"))
    outputs = dict(zip(_MATRICES, (query, key, key, hidden, middle, middle, hidden), strict=True))
    inputs = {"attn_output": query, "ffn_down": middle}
    found: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (file.vocab_size, hidden),
        "output_norm.weight": (hidden,),
    }
    for number in range(about["num_hidden_layers"]):
        for name, rows in outputs.items():
            found[f"blk.{number}.{name}.weight"] = (rows, inputs.get(name, hidden))
        found |= {f"blk.{number}.{name}.weight": (hidden,) for name in _NORMS}
        found |= {f"blk.{number}.{name}.bias": (outputs[name],) for name in _BIASES[file.header.architecture]}
    return found
