"""The one table of all options of the program: name, type, default, meaning.

The validation, the documentation, the JSON schema for editors, and the flags of `aix-lsp engine` are generated from
the dataclasses below. External names are in camelCase (`maxTokens`), in the section `aix`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Scope = Literal["user", "project"]
"""Who may set an option: only the user, or also a project's settings file."""


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table. Its name, type and default are those of the dataclass's field (names.options)."""

    doc: str
    group: str = ""
    """The heading in the documentation before this option; empty if none starts here."""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    scope: Scope = "project"
    per_language: bool = False
    """Whether `languages` may change it."""
    secret: bool = False
    """Whether its value is never shown."""
    folder: bool = False
    """Whether its value may name a folder (paths.folder_named)."""
    backend: bool = False
    """Whether it distinguishes backends: sessions in which all such options are equal share a backend."""
    narrows: bool = False
    """Whether it decides what is sent, so that a project can only lower it (aix_lsp/trust.py)."""
    name: str = ""
    """The field's name: `max_tokens`."""
    kind: Any = None
    """The field's type."""
    default: Any = None


def option(default: Any, doc: str, **traits: Any) -> Any:
    """A field of the table; `traits` are those of Option."""
    metadata = {"option": Option(doc, **traits)}
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def engine_option(default: Any, doc: str, **traits: Any) -> Any:
    """A field of EngineOptions, for the user only: a project must not choose what code is loaded."""
    return option(default, doc, scope="user", backend=True, **traits)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The options with which the engine process is started; each is a flag of `aix-lsp engine`."""

    model: str = engine_option(
        "embedded",
        'The model: "embedded", a name from the catalogue that `aix-lsp models` lists, a Hugging Face id, or the '
        "path of a folder or a GGUF file, which is absolute or begins with `~` or `.`. A relative path is resolved "
        "against the file that sets it.",
        group="Model and engine",
        folder=True,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = engine_option("auto", "Device that the model runs on.")
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = engine_option(
        "auto", 'Number format of the weights. "int8" quantises them while loading.'
    )
    threads: int = engine_option(
        0, "CPU threads of the engine. 0 times several counts and picks the fastest.", minimum=0, maximum=4096
    )
    kv_memory_mb: int = engine_option(
        0,
        "Memory for the KV cache, which keeps prompts already computed. 0 takes a share of the free memory.",
        unit="MiB",
        minimum=0,
        maximum=1 << 20,
    )
    kv_idle_s: float = engine_option(
        300.0,
        "Return the KV cache's memory to the system after this long without requests; while the system is short of "
        "memory, return it at once. 0 keeps it.",
        unit="s",
        minimum=0,
        maximum=2592000,
    )
    trust_remote_code: bool = engine_option(
        False, "Run the Python code that a model ships with. Enable it only for models you trust."
    )
    offline: bool = engine_option(False, "Never download a model; use those already on disk.")
    idle_exit_s: float = engine_option(
        600.0,
        "The engine exits after this long without clients. 0 keeps it running.",
        unit="s",
        minimum=0,
        maximum=2592000,
    )
    fim_family: str = engine_option(
        "", "Prompt template family (docs/models.md). Empty detects it from the model."
    )


@dataclass(frozen=True, slots=True)
class Settings(EngineOptions):
    """All options with their defaults: the engine's first, then those of the language server."""

    url: str | list[str] = option(  # noqa: RUF009 - a dataclasses.field, like the others
        "",
        "Base URL of an OpenAI-compatible server (vLLM, llama.cpp, Ollama, a team's `aix-lsp serve`), or a list of "
        "them: each document is served by one, and another takes over if it fails. Empty runs the local engine.",
        group="Remote engine",
        scope="user",
        backend=True,
    )
    local_fallback: bool = option(
        False, "Use the local engine while no server at `url` is available.", scope="user", backend=True
    )
    api_key: str = option(
        "",
        "API key for `url`. If empty, the environment variable AIX_LSP_API_KEY is used.",
        scope="user",
        secret=True,
        backend=True,
    )
    report_acceptance: bool = option(
        False,
        "Report to an `aix-lsp serve` at `url` how many suggestions were shown and accepted, for its live dashboard: "
        "two numbers per request, no text.",
        scope="user",
    )
    remote_model: str = option(
        "",
        "Model to request from the remote server. Empty takes the first one it lists.",
        scope="user",
        backend=True,
    )
    remote_format: Literal["auto", "template", "suffix", "infill"] = option(
        "auto",
        "How the prompt is sent to the remote server: rendered with our template, as the fields `prompt` and "
        "`suffix`, or to llama.cpp's `/infill`.",
        scope="user",
        backend=True,
    )

    enabled: bool = option(True, "Enable suggestions.", group="Suggestions", per_language=True, narrows=True)
    max_tokens: int = option(
        64, "Maximum length of a suggestion.", unit="tokens", minimum=1, maximum=4096, per_language=True
    )
    multiline: Literal["auto", "always", "never"] = option(
        "auto", "Whether a suggestion may span several lines.", per_language=True
    )
    recall: bool = option(
        True,
        "Bias a small model towards what follows the same words elsewhere in the document and in files near it "
        "(docs/models.md).",
        per_language=True,
        narrows=True,
    )
    confidence: float = option(
        0.0005,
        "Cut a suggestion off where the probability that all of it is right falls below this value (0 to 1), if the "
        "model reports probabilities. Any value above 0 also hides suggestions that begin with a probability below "
        "0.02, and drops further lines once it falls below 0.1. Not applied to explicit requests.",
        minimum=0,
        maximum=1,
        per_language=True,
    )
    candidates: int = option(
        3, "Number of candidates for an explicit request.", minimum=1, maximum=10, per_language=True
    )
    temperature: float = option(
        0.0, "Sampling temperature. 0 is deterministic.", minimum=0, maximum=2, per_language=True
    )
    prefix_lines: int = option(
        256,
        "Maximum number of lines before the cursor in the prompt.",
        minimum=1,
        maximum=10000,
        per_language=True,
    )
    suffix_lines: int = option(
        64,
        "Maximum number of lines after the cursor in the prompt.",
        minimum=0,
        maximum=10000,
        per_language=True,
    )
    context_tokens: int = option(
        1024,
        "Maximum size of the context from other files, for models that were trained with such context "
        "(docs/models.md) and do not use recall. It takes at most 30 % of the prompt; 0 sends none.",
        group="Context from other files",
        unit="tokens",
        minimum=0,
        maximum=32768,
        per_language=True,
        narrows=True,
    )
    context_imports: bool = option(
        True, "Include signatures of what the file imports.", per_language=True, narrows=True
    )
    context_definitions: bool = option(
        True, "Include definitions of names near the cursor.", per_language=True, narrows=True
    )
    context_siblings: bool = option(
        True,
        "Include signatures from the file's tests, from the code it tests, or from its header.",
        per_language=True,
        narrows=True,
    )
    context_similar: bool = option(
        True, "Include similar code from other files.", per_language=True, narrows=True
    )
    context_recent: bool = option(
        True,
        "Include places that you recently edited or viewed in other files.",
        per_language=True,
        narrows=True,
    )
    context_clipboard: bool = option(
        False,
        "Include the lines that you copied last, if the editor reports them (`aix/didCopy`).",
        scope="user",
    )

    prefetch: Literal["auto", "always", "never"] = option(
        "auto",
        "Generate what follows a likely suggestion while it is shown, so that it is ready when you accept; and have a "
        "model that reads slowly read more of the document while it has nothing else to do. If you do not go on there, "
        'the work is wasted: "auto" prefetches only with a local engine, not with a `url`.',
        group="Triggers and timing",
        per_language=True,
        narrows=True,
    )
    battery_saver: bool = option(
        False,
        "Neither prefetch nor read ahead while the computer runs on battery.",
        scope="user",
    )
    deadline_ms: int = option(
        650,
        "Answer with the best text so far after this time. VS Code gives up after 750 ms.",
        unit="ms",
        minimum=10,
        maximum=600000,
        per_language=True,
    )
    wait_ms: int = option(
        200,
        "Longest delay before the model is queried while you type. With a `url`, every burst of keystrokes is delayed; "
        "with the local engine, only while you type faster than the model answers or keep rejecting its suggestions. "
        "0 never delays.",
        unit="ms",
        minimum=0,
        maximum=10000,
        per_language=True,
    )

    popup: bool = option(
        True, "Show suggestions in the completion popup.", group="Completion popup", per_language=True
    )
    popup_first: bool = option(
        False, "Sort suggestions above those of other language servers.", per_language=True
    )

    exclude: list[str] = option(  # noqa: RUF009 - a dataclasses.field, like the others
        [],
        "Additional gitignore-style patterns of files that must never be part of a prompt.",
        group="Privacy",
        narrows=True,
    )

    languages: dict[str, Mapping[str, Any]] = option(  # noqa: RUF009 - a dataclasses.field
        {},
        "Settings for one language, by LSP language id. Only those marked **language** are allowed.",
        group="Per-language settings",
    )

    log_level: Literal["debug", "info", "warning", "error"] = option(
        "info", "Minimum level of log messages.", group="Logging", scope="user"
    )

    @property
    def urls(self) -> tuple[str, ...]:
        """The servers that `url` names, one or several."""
        named = [self.url] if isinstance(self.url, str) else self.url
        return tuple(dict.fromkeys(url for url in named if url))
