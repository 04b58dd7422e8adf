"""Finds out what a remote server is, what model it has, and how it is best asked.

Decisions, with their reasons in docs/remote.md: our engine is told everything apart. Where the model's
format is known it is rendered here, because only then does the prompt grow at its end as the user types,
whatever the server. Ollama wraps prompts of its own accord, so it gets prompt and suffix. A llama.cpp whose
model is unknown to us is asked through /infill, any other server with prompt and suffix.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from aix_lsp.backends.base import BackendError, BackendUnavailable, ModelInfo
from aix_lsp.backends.client import Client
from aix_lsp.backends.dialects import (
    Dialect,
    EngineDialect,
    InfillDialect,
    SuffixDialect,
    TemplateDialect,
)
from aix_lsp.fim.templates import Template, detect, takes_context
from aix_lsp.settings.table import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """A remote server as it was found."""

    dialect: Dialect
    model: ModelInfo


async def discover(client: Client, settings: Settings) -> Server:
    """Ask the server what it is. Raises BackendError, BackendUnavailable."""
    if client.address.fixed:
        return _server("openai", {"id": settings.remote_model}, settings)
    models = _models(await client.get(client.address.models))
    model = _choose(models, settings.remote_model, str(client.address))
    return _server(await _kind(client, model), model, settings)


def _models(answer: Any) -> list[dict[str, Any]]:
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise BackendError("The server has no list of models at /v1/models; check aix.url.")
    return [model for model in data if isinstance(model, dict) and isinstance(model.get("id"), str)]


def _choose(models: list[dict[str, Any]], wanted: str, where: str) -> dict[str, Any]:
    if not models:
        raise BackendUnavailable(f"{where} has no model loaded.")
    if not wanted:
        return models[0]
    for model in models:
        if wanted in (model["id"], model["id"].removesuffix(":latest")):
            return model
    names = ", ".join(model["id"] for model in models[:8])
    raise BackendError(f"{where} has no model {wanted!r}: set aix.remoteModel to one of {names}.")


async def _kind(client: Client, model: dict[str, Any]) -> str:
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
    own = model.get("aix") or {}
    name = model["id"]
    template = None if kind == "aix" else _template(name, settings)
    dialect = _dialect(kind, name, template, settings)
    return Server(
        dialect,
        ModelInfo(
            name=name,
            family=own.get("family") or (template.name if template else ""),
            context_length=own.get("context_length") or _context_length(model),
            fim=own.get("fim", True),
            takes_context=_takes_context(dialect, own.get("family") or ""),
            recall=bool(own.get("recall")),
            device=own.get("device") or "",
            dtype=own.get("dtype") or "",
        ),
    )


def _takes_context(dialect: Dialect, family: str) -> bool:
    if isinstance(dialect, TemplateDialect):
        return dialect.template.takes_context
    return isinstance(dialect, InfillDialect) or takes_context(family)


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
    if template is not None and (kind != "ollama" or forced):
        return "template"
    return "infill" if kind == "llamacpp" else "suffix"


def _context_length(model: dict[str, Any]) -> int:
    meta = model.get("meta") or {}
    for found in (
        model.get("max_model_len"),
        meta.get("n_ctx"),
        meta.get("n_ctx_train"),
        model.get("context_length"),
    ):
        if isinstance(found, int) and found > 0:
            return found
    return ModelInfo("").context_length
