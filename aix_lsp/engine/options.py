"""The engine process's options, and the description of a loaded model. Does not import torch or transformers.

`EngineOptions` are the settings that `aix_lsp/settings/table.py` marks as the engine's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aix_lsp.engine.step import Runner
from aix_lsp.settings.table import EngineOptions

__all__ = ["EngineOptions", "Listen", "LoadedModel", "ModelError", "Progress"]

Progress = Callable[[str, float], None]
"""Called with the stage of loading ("weights", "quantize", …) and how much of it is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to run.

    `tokenizer` is a `tokenizers.Tokenizer`. `context_length` and the special ids are the model's own; `eos_token_ids`
    may be empty.
    """

    runner: Runner
    tokenizer: Any
    name: str
    device: str
    dtype: str
    context_length: int
    eos_token_ids: frozenset[int]
    parameters: int = 0
    """The number of weights; 0 if unknown."""
    weight_bytes: int = 0
    pool_bytes: int = 0
    """Bytes of the KV pool; on a CPU, its pages take memory only once they are written to."""
    running: str = ""
    """How the model is computed and why, for people: code path, kernels, result of the check."""


class ModelError(Exception):
    """A model cannot be used. The message is for the user and names the setting to change."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the engine listens, and for how long. Either `uds`, or `host` and `port` are used."""

    uds: str = ""
    host: str = ""
    port: int = 0
    token_file: str = ""
    lock: str = ""
    idle_exit_s: float = 600.0
    """Seconds without a client before the engine exits; 0 for never."""
    step_limit_s: float = 30.0
    """Seconds that a step may take before it is aborted; 0 for no limit."""
