"""Writes a checkpoint as a folder that transformers and the engine load, and reads such folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from torch import Tensor

from aix_lsp.engine.model import gguf
from aix_lsp.engine.options import ModelError
from aix_lsp.training.checkpoint import Checkpoint
from aix_lsp.training.model import Shape
from aix_lsp.training.projection import merged


def export_checkpoint(run: Path, tokenizer: Path, out: Path) -> None:
    """Write a run's averaged weights in fp16, its configuration and its tokenizer.

    Raises FileNotFoundError if the run has no checkpoint yet.
    """
    state = Checkpoint(run).load()
    if state is None:
        raise FileNotFoundError(f"{run} contains no checkpoint; train first.")
    write_model(merged(state["average"]), Shape(**state["shape"]), tokenizer, out)


def write_model(weights: dict[str, Tensor], shape: Shape, tokenizer: Path, out: Path) -> None:
    """Write `config.json`, `model.safetensors` (fp16, tied embeddings only once) and the tokenizer's files."""
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    halves = {name: value.to("cpu", torch.float16).contiguous() for name, value in weights.items()}
    save_file(halves, str(out / "model.safetensors"), metadata={"format": "pt"})
    (out / "config.json").write_text(json.dumps(_configuration(shape), indent=2) + "\n")
    generation = {"eos_token_id": 0, "pad_token_id": 5}
    (out / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if not (out / name).exists() or not (tokenizer / name).samefile(out / name):
            shutil.copyfile(tokenizer / name, out / name)


def model_folder(model: Path) -> Path:
    """The folder of a model given as a folder or a GGUF file. Raises ValueError if the file cannot be used."""
    if model.is_dir():
        return model
    try:
        return gguf.prepare(model, str(model))
    except ModelError as error:
        raise ValueError(str(error)) from error


def read_model(folder: Path) -> tuple[dict[str, Tensor], Shape]:
    """The float32 weights and the shape of a Llama with tied embeddings: one written by `write_model`, or a GGUF file
    behind `model_folder`.

    Raises ValueError for other architectures.
    """
    from safetensors.torch import load_file

    about = json.loads((folder / "config.json").read_text())
    if about.get("model_type") != "llama" or not about.get("tie_word_embeddings"):
        raise ValueError(
            f"{folder} is not a Llama with tied embeddings; only such a model can be trained on."
        )
    rope = about.get("rope_parameters") or about
    shape = Shape(
        vocabulary=about["vocab_size"],
        hidden=about["hidden_size"],
        layers=about["num_hidden_layers"],
        heads=about["num_attention_heads"],
        kv_heads=about["num_key_value_heads"],
        intermediate=about["intermediate_size"],
        context=about["max_position_embeddings"],
        rope_base=rope.get("rope_theta", 10_000.0),
        norm_epsilon=about["rms_norm_eps"],
        head_size=about.get("head_dim") or about["hidden_size"] // about["num_attention_heads"],
    )
    if gguf.is_made(folder):
        weights = gguf.read_weights(folder, torch.float32)
        weights.pop("lm_head.weight", None)
        return weights, shape
    weights = {name: value.float() for name, value in load_file(str(folder / "model.safetensors")).items()}
    return weights, shape


def _configuration(shape: Shape) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_size,
        "intermediate_size": shape.intermediate,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.norm_epsilon,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_base},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 5,
        "dtype": "float16",
    }
