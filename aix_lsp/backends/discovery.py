"""Finds out what a remote server is, which model it has, and which prompt format suits it best.

Decisions (docs/remote.md explains them): our engine gets every part separately. If the model's template is known, the
prompt is rendered here, because only then does it grow at its end as the user types, on any server. Ollama wraps
prompts itself, so it gets prompt and suffix. llama.cpp with an unknown model is used through /infill, any other server
with prompt and suffix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from aix_lsp.backends.base import BackendError, BackendUnavailable, ModelInfo
from aix_lsp.backends.client import HttpClient
from aix_lsp.backends.dialects import (
    Dialect,
    EngineDialect,
    InfillDialect,
    SuffixDialect,
    TemplateDialect,
)
from aix_lsp.backends.failures import not_a_completion, says_error
from aix_lsp.backends.json_values import count, model_card, table
from aix_lsp.backends.json_values import name as valid_name
from aix_lsp.fim.templates import Template, detect
from aix_lsp.settings.table import Settings


@dataclass(frozen=True, slots=True)
class Server:
    """What was found out about a remote server."""

    dialect: Dialect
    model: ModelInfo
    template: Template | None = None
    """The template of its model, if the family is known."""
    note: str = ""
    """What the user should know about the choice."""


_NO_COMPLETIONS = re.compile(
    r"embed|rerank|whisper|\btts\b|speech|transcri|moderation|dall-?e|\bclip\b|stable-diffusion|\bflux\b|"
    r"\b(bge|gte|e5|minilm|colbert|nomic|ocr|guard)\b",
    re.IGNORECASE,
)
"""Names of models that do not generate text."""


async def discover(client: HttpClient, settings: Settings) -> Server:
    """Find out what the server is. Raises BackendError, BackendUnavailable."""
    if client.address.fixed:
        kind = "fim" if client.address.takes_suffix else "openai"
        return _server(kind, {"id": settings.remote_model}, settings)
    try:
        models = await _models(client)
    except BackendError as error:
        if error.status not in (404, 405) or not settings.remote_model:
            raise
        # It has no list of models, but the user named one.
        return _server("openai", {"id": settings.remote_model}, settings)
    model, note = _choose(models, settings.remote_model, str(client.address))
    return replace(_server(await _kind(client, model), model, settings), note=note)


async def _models(client: HttpClient) -> list[dict[str, Any]]:
    answer = await client.get(client.address.models)
    data = answer.get("data", answer.get("models")) if isinstance(answer, dict) else answer
    if not isinstance(data, list) or not (isinstance(answer, dict) or data):
        if says_error(answer):
            raise not_a_completion(answer, str(client.address))
        raise BackendError(
            f"{client.address} has no list of models at {client.address.models}; check aix.url.",
            trouble="failing",
        )
    return [model for model in data if valid_name(table(model).get("id"))]


def _choose(models: list[dict[str, Any]], wanted: str, where: str) -> tuple[dict[str, Any], str]:
    """The model to use, and a note for the user if the choice was ours."""
    if not models:
        raise BackendUnavailable(f"{where} has no model loaded.", trouble="failing")
    if wanted:
        for model in models:
            if wanted in (model["id"], model["id"].removesuffix(":latest")):
                return model, ""
        names = ", ".join(model["id"] for model in models[:8])
        raise BackendError(f"{where} has no model {wanted!r}: set aix.remoteModel to one of {names}.")
    chosen = next((model for model in models if _completes(model)), models[0])
    if len(models) == 1:
        return chosen, ""
    return chosen, f"uses {chosen['id']}, one of {len(models)} models; set aix.remoteModel to use another"


def _completes(model: dict[str, Any]) -> bool:
    """Whether a model generates text, according to the server's description and its name."""
    capabilities = model.get("capabilities")
    if isinstance(capabilities, dict):
        listed = [capabilities[name] for name in capabilities if "completion" in name]
        if listed:
            return any(listed)
    kinds = [valid_name(model.get(key)) for key in ("type", "task", "object_type")]
    return not _NO_COMPLETIONS.search(" ".join((*kinds, model["id"])).replace("_", " "))


async def _kind(client: HttpClient, model: dict[str, Any]) -> str:
    owner = model.get("owned_by")
    if "aix" in model or owner == "aix-lsp":
        return "aix"
    if owner in ("vllm", "llamacpp"):
        return str(owner)
    try:
        version = await client.get(client.address.at("/api/version"))
    except BackendError:
        return "openai"
    return "ollama" if isinstance(version, dict) and "version" in version else "openai"


def _server(kind: str, model: dict[str, Any], settings: Settings) -> Server:
    name = model["id"]
    template = None if kind == "aix" else _template(name, settings)
    dialect = _dialect(kind, name, template, settings)
    known = ModelInfo(
        name=name,
        family=template.name if template else "",
        context_length=_context_length(model),
        takes_context=_takes_context(dialect),
    )
    return Server(dialect, replace(model_card(model.get("aix"), known), name=name), template)


def _takes_context(dialect: Dialect) -> bool:
    if isinstance(dialect, TemplateDialect):
        return dialect.template.takes_context
    return isinstance(dialect, InfillDialect)


def _template(name: str, settings: Settings) -> Template | None:
    try:
        return detect((), name, settings.fim_family)
    except ValueError as error:
        raise BackendError(f"aix.{error}") from error


def _dialect(kind: str, name: str, template: Template | None, settings: Settings) -> Dialect:
    if kind == "aix":
        return EngineDialect(name)
    form: str = settings.remote_format
    if form == "auto":
        form = _best_form(kind, template, forced=bool(settings.fim_family))
    if form == "infill":
        return InfillDialect()
    if form == "suffix":
        return SuffixDialect(name)
    if template is None:
        raise BackendError(
            f'aix.remoteFormat is "template", but the family of {name!r} is not known: set aix.fimFamily.'
        )
    return TemplateDialect(template, name, vllm=kind == "vllm")


def _best_form(kind: str, template: Template | None, *, forced: bool) -> str:
    if template is not None and kind != "fim" and (kind != "ollama" or forced):
        return "template"
    return "infill" if kind == "llamacpp" else "suffix"


def _context_length(model: dict[str, Any]) -> int:
    meta = table(model.get("meta"))
    for found in (
        model.get("max_model_len"),
        meta.get("n_ctx"),
        meta.get("n_ctx_train"),
        model.get("context_length"),
    ):
        if length := count(found):
            return length
    return ModelInfo("").context_length
