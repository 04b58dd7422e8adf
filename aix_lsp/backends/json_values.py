"""Reads values from a server's JSON, which may have any type in any place: invalid ones count as missing."""

from __future__ import annotations

from typing import Any

from aix_lsp.backends.base import ModelInfo
from aix_lsp.fim.templates import takes_context

_MOST = 1 << 40
_LEAST_LOGPROB = -1e6
_LONGEST_NAME = 1000


def table(value: Any) -> dict[str, Any]:
    """A JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def count(value: Any) -> int:
    """A count of something, or 0. Some servers' numbers are all floating point."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        return 0
    return int(value)


def milliseconds(value: Any) -> float:
    """A time, or 0."""
    return float(value) if isinstance(value, int | float) and 0 <= value <= _MOST else 0.0


def logprob(value: Any) -> float | None:
    """The logarithm of a probability, or None; bounded, so that it can be added up and forwarded."""
    # Not math.isnan: an integer in JSON may be too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return float(min(0, max(_LEAST_LOGPROB, value)))


def name(value: Any) -> str:
    """A name that can be shown and sent back, or an empty string."""
    return value if isinstance(value, str) and len(value) <= _LONGEST_NAME and value.isprintable() else ""


def model_card(value: Any, known: ModelInfo) -> ModelInfo:
    """A model as our engine describes it (docs/engine-api.md); values that it lacks are those of `known`."""
    card = table(value)
    family = name(card.get("family")) or known.family
    reads_context = known.takes_context or takes_context(name(card.get("family")))
    return ModelInfo(
        name=name(card.get("name")) or known.name,
        family=family,
        context_length=count(card.get("context_length")) or known.context_length,
        fim=_flag(card.get("fim"), known.fim),
        takes_context=_flag(card.get("takes_context"), reads_context),
        recall=_flag(card.get("recall"), known.recall),
        device=name(card.get("device")),
        dtype=name(card.get("dtype")),
        running=name(card.get("running")),
    )


def _flag(value: Any, known: bool) -> bool:
    return value if isinstance(value, bool) else known
