"""Every option of the program, once: name, type, default, meaning.

The table (the dataclass below) makes the documentation, the JSON schema for editors, the command-line flags'
help and the validation. External names are camelCase (`maxTokens`) under the section `aix`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


def option(default: Any, doc: str, *, unit: str = "", minimum: float | None = None, engine: bool = False) -> Any:
    """A field of the table. `engine` marks what the engine process is started with."""
    metadata = {"doc": doc, "unit": unit, "minimum": minimum, "engine": engine}
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """All options with their defaults."""

    # Model and engine
    model: str = option("embedded", 'A folder, a Hugging Face id, or "embedded".', engine=True)
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where the model runs.", engine=True)
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = option(
        "auto", 'Number format of the weights; "int8" quantises on load.', engine=True
    )
    threads: int = option(0, "CPU threads of the engine; 0 chooses by measuring.", minimum=0, engine=True)
    kv_memory_mb: int = option(0, "Memory for cached prompts; 0 chooses from what is free.", unit="MiB", minimum=0, engine=True)
    trust_remote_code: bool = option(False, "Let a model's own Python code run. Only for models you trust.", engine=True)
    offline: bool = option(False, "Never look for a model on the network.", engine=True)
    idle_exit_s: float = option(600.0, "The engine leaves after this long without clients.", unit="s", minimum=0, engine=True)

    # A remote engine instead of the local one
    url: str = option("", "Base URL of an OpenAI-style server (vLLM, llama.cpp, a team's aix-lsp engine); empty runs the local engine.")
    api_key: str = option("", "Key for `url`; AIX_LSP_API_KEY is used where this is empty.")
    remote_model: str = option("", "Model name to ask the remote server for; empty takes its first.")
    fim_family: str = option("", "Prompt template family; empty detects it from the model.")

    # What is asked for
    enabled: bool = option(True, "Suggest at all.")
    max_tokens: int = option(64, "Longest suggestion.", unit="tokens", minimum=1)
    multiline: Literal["auto", "always", "never"] = option("auto", "Whether suggestions may have several lines.")
    candidates: int = option(3, "Candidates on an invoked request.", minimum=1)
    temperature: float = option(0.0, "0 is deterministic.", minimum=0)
    prefix_lines: int = option(256, "Lines before the cursor that the model sees.", minimum=1)
    suffix_lines: int = option(64, "Lines after the cursor that the model sees.", minimum=0)
    context_tokens: int = option(0, "Budget for other files in the prompt; 0 sends none.", unit="tokens", minimum=0)

    # When
    deadline_ms: int = option(650, "Answer with the best text so far by then; VS Code gives up at 750.", unit="ms", minimum=10)
    wait_ms: int = option(0, "Longest pause before asking the model while you type; 0 asks at once.", unit="ms", minimum=0)

    # Popup
    popup: bool = option(True, "Offer suggestions in the completion popup.")
    popup_first: bool = option(False, "Sort suggestions above those of the language's own server.")

    # Privacy
    exclude: list[str] = option([], "More gitignore-style patterns of files that must never enter a prompt.")

    # Per language: {"python": {"maxTokens": 128}}
    languages: dict[str, Mapping[str, Any]] = option({}, "Any of these settings by LSP language id.")

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = option("info", "What the log holds.")
