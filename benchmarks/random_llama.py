"""Saves a Llama-shaped model with random weights: for measuring speed, where its output does not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHAPE: dict[str, Any] = {
    "vocab_size": 32_000,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
}
"""About 390 M parameters, 365 M of them in matrices used for each token."""

LARGE_SHAPE: dict[str, Any] = SHAPE | {
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "head_dim": 128,
}
"""About 1.4 G parameters in bfloat16: for GPUs."""


def write_random_llama(folder: Path, tokenizer_from: Path, shape: dict[str, Any] = SHAPE) -> Path:
    """Write the model in bfloat16, with another folder's tokenizer, unless it is already there."""
    if (folder / "model.safetensors").is_file():
        return folder
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**shape, bos_token_id=None, eos_token_id=0)).to(torch.bfloat16)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer_from).save_pretrained(folder)
    return folder
