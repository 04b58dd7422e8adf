"""Reads a model's folder with transformers: configuration, tokenizer, weights. Owns the errors of reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer

from aix_lsp.engine.model import gguf
from aix_lsp.engine.model.llama_shape import LONGEST
from aix_lsp.engine.model.memory import ran_out
from aix_lsp.engine.options import EngineOptions, ModelError

# Progress bars on standard error would clutter the log of a process without a terminal.
transformers.utils.logging.disable_progress_bar()


def read_config(folder: Path, options: EngineOptions) -> Any:
    """The model's configuration, which must be that of a causal language model. Raises ModelError."""
    try:
        config = AutoConfig.from_pretrained(folder, **_sources(options))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable("config.json", options, error) from error
    names = config.architectures or ()
    if names and not any(
        name.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")) for name in names
    ):
        raise ModelError(
            f"{options.model} is a {names[0]}, not a causal language model; set model to one that "
            "completes text"
        )
    return config


def read_tokenizer(folder: Path, options: EngineOptions) -> Any:
    """The model's fast tokenizer. Raises ModelError."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **_sources(options))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise _unreadable("tokenizer", options, error) from error
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise ModelError(f"{options.model} has no tokenizer.json; set model to one with a fast tokenizer")
    return tokenizer


def read_model(
    folder: Path, options: EngineOptions, config: Any, dtype: torch.dtype, device: torch.device
) -> Any:
    """The model with its weights in `dtype` on `device`. Raises ModelError; MemoryError or RuntimeError if memory runs
    out."""
    from transformers import AutoModelForCausalLM  # seconds and 100 MB, which a prepared model does not need

    try:
        read = gguf.read_weights(folder, dtype) if gguf.is_made(folder) else None
        kind = AutoModelForCausalLM if read is None else getattr(transformers, config.architectures[0])
        model, report = kind.from_pretrained(
            folder if read is None else None,
            state_dict=read,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **_sources(options),
        )
    except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError, RuntimeError) as error:
        if ran_out(error):
            raise
        raise _unreadable("weights", options, error) from error
    missing = sorted(report["missing_keys"])
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelError(
            f"the weights of {options.model} lack {missing[0]}{more}; download it again or change the setting model"
        )
    return model.to(device).eval()


def _sources(options: EngineOptions) -> dict[str, bool]:
    """What transformers may use besides a folder's files."""
    return {"trust_remote_code": options.trust_remote_code, "local_files_only": options.offline}


def _unreadable(what: str, options: EngineOptions, error: Exception) -> ModelError:
    text = str(error)
    if "trust_remote_code" in text:
        return ModelError(
            f"{options.model} brings its own Python code, which could do anything; if you trust its "
            "publisher, set trustRemoteCode, else change the setting model"
        )
    first = (text or type(error).__name__).strip().splitlines()[0]
    if isinstance(error, ImportError):
        return ModelError(
            f"{options.model} needs a package that is not installed ({first}); install it, or change model"
        )
    return ModelError(f"cannot read the {what} of {options.model} ({first}); change the setting model")


def context_length(config: Any) -> int:
    """The context length that the model was made for, at most 131,072: larger tables would waste memory."""
    text = config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or {}
    if rope.get("rope_type") == "longrope":
        # Beyond it, other frequencies apply to a whole batch, including the KV already computed.
        original = rope.get("original_max_position_embeddings") or getattr(
            text, "original_max_position_embeddings", None
        )
        if original:
            return min(int(original), LONGEST)
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length"):
        length = getattr(text, name, None)
        if isinstance(length, int) and length > 0:
            return min(length, LONGEST)
    return 2048


def end_tokens(model: Any) -> list[int]:
    """The ids of end tokens in the model's files; may be empty. The tokenizer may know more."""
    ids: list[int | None] = []
    for owner in (model.generation_config, model.config):
        value = getattr(owner, "eos_token_id", None) if owner is not None else None
        ids.extend(value if isinstance(value, list) else [value])
    return sorted({token for token in ids if token is not None})
