"""The engine process's start options, and the description of a loaded model. Imports no torch, no transformers.

`EngineOptions` are the settings marked as the engine's, in `aix_lsp/settings/table.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aix_lsp.engine.step import Runner
from aix_lsp.settings.table import EngineOptions

__all__ = ["EngineOptions", "Listen", "LoadedModel", "ModelError", "Progress"]

Progress = Callable[[str, float], None]
"""Called with the stage of loading ("weights", "quantize", …) and its fraction, 0 to 1."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to run.

    `tokenizer` is a fast transformers tokenizer (`PreTrainedTokenizerBase` with a `backend_tokenizer`), or what of
    one `aix_lsp.engine.model.prepared.StoredTokenizer` offers.
    `context_length` and the special ids are the model's own; `eos_token_ids` may be empty.
    """

    runner: Runner
    tokenizer: Any
    name: str
    device: str
    dtype: str
    context_length: int
    eos_token_ids: frozenset[int]
    parameters: int = 0
    """How many weights it has; 0 where that is not known."""
    weight_bytes: int = 0
    pool_bytes: int = 0
    """Bytes of the KV pool; on a CPU its pages take memory when they are first written."""
    running: str = ""
    """How it is computed and why, for people: the path, the kernels, what the check found."""


class ModelError(Exception):
    """A model cannot be used. The message is for the user and names the setting to change."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the engine listens and how long it stays. Either `uds` or `host` and `port` are used."""

    uds: str = ""
    host: str = ""
    port: int = 0
    token_file: str = ""
    lock: str = ""
    idle_exit_s: float = 600.0
    """Seconds without a client before the engine leaves; 0 never leaves."""
    step_limit_s: float = 30.0
    """Seconds that one step of the model may take before it is given up; 0 for any."""
