"""Every option of the program, once: name, type, default, meaning.

The dataclass below makes the documentation, the JSON schema for editors and the validation. External names
are camelCase (`maxTokens`) under the section `aix`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Scope = Literal["user", "project"]
"""Who may set an option: the user only, or also the settings file that lies in a project."""


def option(
    default: Any,
    doc: str,
    *,
    group: str = "",
    unit: str = "",
    minimum: float | None = None,
    engine: bool = False,
    scope: Scope = "project",
    per_language: bool = False,
    secret: bool = False,
    folder: bool = False,
) -> Any:
    """A field of the table.

    `group` is the heading that starts here. `engine` marks what the engine process is started with, `scope`
    who may set it, `per_language` what `languages` may change, `secret` what is never shown, and `folder` what
    may name a folder (paths.folder_named).
    """
    metadata = {
        "doc": doc,
        "group": group,
        "unit": unit,
        "minimum": minimum,
        "engine": engine,
        "scope": scope,
        "per_language": per_language,
        "secret": secret,
        "folder": folder,
    }
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def engine_option(default: Any, doc: str, **rest: Any) -> Any:
    """What the engine process is started with. A project must not choose what code is loaded."""
    return option(default, doc, engine=True, scope="user", **rest)


@dataclass(frozen=True, slots=True)
class Settings:
    """All options with their defaults."""

    model: str = engine_option(
        "embedded",
        'A Hugging Face id, "embedded", or a folder: absolute, or beginning with `~` or `.` and counted from the '
        "file that names it.",
        group="Model and engine",
        folder=True,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = engine_option("auto", "Where the model runs.")
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = engine_option(
        "auto", 'Number format of the weights; "int8" quantises on load.'
    )
    threads: int = engine_option(0, "CPU threads of the engine; 0 chooses by measuring.", minimum=0)
    kv_memory_mb: int = engine_option(
        0, "Memory for cached prompts; 0 chooses from what is free.", unit="MiB", minimum=0
    )
    trust_remote_code: bool = engine_option(
        False, "Let a model's own Python code run. Only for models you trust."
    )
    offline: bool = engine_option(False, "Never look for a model on the network.")
    idle_exit_s: float = engine_option(
        600.0, "The engine leaves after this long without clients; 0 never.", unit="s", minimum=0
    )
    fim_family: str = engine_option(
        "", "Prompt template family (docs/models.md); empty detects it from the model."
    )

    url: str = option(
        "",
        "Base URL of an OpenAI-style server (vLLM, llama.cpp, Ollama, a team's `aix-lsp engine`); "
        "empty runs the local engine.",
        group="A remote engine",
        scope="user",
    )
    api_key: str = option(
        "",
        "Key for `url`; the environment's AIX_LSP_API_KEY is used where this is empty.",
        scope="user",
        secret=True,
    )
    remote_model: str = option(
        "", "Model name to ask the remote server for; empty takes its first.", scope="user"
    )
    remote_format: Literal["auto", "template", "suffix", "infill"] = option(
        "auto",
        'How the remote server is told the prompt: rendered by our template, as "prompt" and "suffix", or by '
        "llama.cpp's /infill.",
        scope="user",
    )

    enabled: bool = option(True, "Suggest at all.", group="What is asked for", per_language=True)
    max_tokens: int = option(64, "Longest suggestion.", unit="tokens", minimum=1, per_language=True)
    multiline: Literal["auto", "always", "never"] = option(
        "auto", "Whether suggestions may have several lines.", per_language=True
    )
    recall: bool = option(
        True,
        "Let what stands behind the same words elsewhere, in the document and the files near it, weigh in a small "
        "model's chances (docs/models.md).",
        per_language=True,
    )
    confidence: float = option(
        0.0005,
        "A suggestion ends where the chance that all of it is right falls below this (0 to 1), where the model "
        "tells. Above 0, none is shown whose beginning is less likely than 0.02, nor further lines after some less "
        "likely than 0.1. Not applied to invoked requests.",
        minimum=0,
        per_language=True,
    )
    candidates: int = option(3, "Candidates on an invoked request.", minimum=1, per_language=True)
    temperature: float = option(0.0, "0 is deterministic.", minimum=0, per_language=True)
    prefix_lines: int = option(
        256, "Lines before the cursor that the model sees.", minimum=1, per_language=True
    )
    suffix_lines: int = option(
        64, "Lines after the cursor that the model sees.", minimum=0, per_language=True
    )
    context_tokens: int = option(
        1024,
        "Most of other files in the prompt, for models that know it (docs/models.md) and do not recall: at most 30 % "
        "of the prompt, and 0 sends none.",
        group="Context from other files",
        unit="tokens",
        minimum=0,
        per_language=True,
    )
    context_imports: bool = option(True, "Signatures of what the file imports.", per_language=True)
    context_definitions: bool = option(True, "Definitions of names near the cursor.", per_language=True)
    context_siblings: bool = option(
        True, "Signatures of the file's tests, of what it tests, or of its header.", per_language=True
    )
    context_similar: bool = option(True, "Code with the same words in other files.", per_language=True)
    context_recent: bool = option(
        True, "Where you lately edited or looked in other files.", per_language=True
    )
    context_clipboard: bool = option(
        False, "The lines that you last copied, from editors that tell them (`aix/didCopy`)."
    )

    adaptive_triggers: bool = option(
        True,
        "Ask the model seldom in situations (behind a semicolon, after a deletion, …) in which suggestions are not "
        "taken: at first by our measurements, then by what you accept. Invoked requests always ask.",
        per_language=True,
    )
    prefetch: Literal["auto", "always", "never"] = option(
        "auto",
        "Begin with what follows a likely suggestion while it is shown, so that it is there at once when you accept. "
        'What is not accepted is generated in vain: "auto" does so where the model runs in your own engine, not '
        "with a `url`.",
        per_language=True,
    )

    deadline_ms: int = option(
        650,
        "Answer with the best text so far by then; VS Code gives up at 750.",
        group="When",
        unit="ms",
        minimum=10,
        per_language=True,
    )
    wait_ms: int = option(
        200,
        "Longest pause before asking the model while you type. It waits only where you type faster than the "
        "model answers, or reject what it shows; 0 asks at once.",
        unit="ms",
        minimum=0,
        per_language=True,
    )

    popup: bool = option(
        True, "Offer suggestions in the completion popup.", group="Completion popup", per_language=True
    )
    popup_first: bool = option(
        False, "Sort suggestions above those of the language's own server.", per_language=True
    )

    exclude: list[str] = option(  # noqa: RUF009 - a dataclasses.field, like the others
        [],
        "More gitignore-style patterns of files that must never enter a prompt.",
        group="Privacy",
    )

    languages: dict[str, Mapping[str, Any]] = option(  # noqa: RUF009 - a dataclasses.field
        {},
        "Other values by LSP language id, of the settings marked “per language”.",
        group="By language",
    )

    log_level: Literal["debug", "info", "warning", "error"] = option(
        "info", "What the log holds.", group="Logs", scope="user"
    )
