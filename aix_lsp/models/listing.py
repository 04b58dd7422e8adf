"""The models on this computer and in the catalogue, for `aix-lsp models` and the editors' pickers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from aix_lsp.files import read_bytes, read_json
from aix_lsp.fim.templates import detect
from aix_lsp.machine import available_bytes
from aix_lsp.models import stores
from aix_lsp.models.catalogue import EMBEDDED, Entry, downloaded, entries, hub_cache, is_whole, shards
from aix_lsp.models.fit import Fit, fit, remembered

_LARGEST = 64 << 20


class _AddedToken(msgspec.Struct):
    content: str


class _TokenizerFile(msgspec.Struct):
    """What is read of tokenizer.json; decoding skips its vocabulary, which is most of it."""

    added_tokens: list[_AddedToken] = []


@dataclass(frozen=True, slots=True)
class Catalogued:
    """A model of the catalogue, with its state on this computer."""

    entry: Entry
    fit: Fit
    place: Path | None
    """Where it was downloaded to, or None."""

    def as_json(self) -> dict[str, Any]:
        entry, fit = self.entry, self.fit
        source = entry.source()
        return {
            "name": entry.name,
            "family": entry.family,
            "billions": entry.billions,
            "context": entry.context,
            "licence": {
                "name": entry.licence.name,
                "url": entry.licence.url,
                "terms": entry.licence.terms,
                "limited": entry.licence.limited,
            },
            "gated": entry.gated,
            "repository": source.repository,
            "gb": source.gb,
            "downloaded": self.place is not None,
            "loadingGb": round(fit.loading_gb, 1),
            "runningGb": round(fit.running_gb, 1),
            "fits": fit.fits,
            "keyMs": None if fit.key_ms is None else round(fit.key_ms),
            "coldMs": None if fit.cold_ms is None else round(fit.cold_ms),
            "about": self.about(),
        }

    def about(self) -> str:
        """One line: size, whether it fits, how fast it would be, and its licence."""
        entry, fit = self.entry, self.fit
        active = f" ({entry.active_billions:g} G active)" if entry.active_billions else ""
        parts = [f"{entry.billions:g} G weights{active}"]
        parts.append("downloaded" if self.place else f"{entry.source().gb:g} GB to download")
        if fit.fits is False:
            parts.append(f"too large: needs {max(fit.loading_gb, fit.running_gb):.1f} GB of free memory")
        else:
            parts.append(f"{fit.running_gb:.1f} GB of memory")
            if fit.key_ms is not None and fit.cold_ms is not None:
                parts.append(f"first text in about {_time(fit.key_ms)}, {_time(fit.cold_ms)} after a jump")
        parts.append(entry.licence.name + (f": {entry.licence.terms}" if entry.licence.limited else ""))
        return ", ".join(parts)


def catalogued() -> list[Catalogued]:
    """The whole catalogue, judged by the memory that is free now."""
    free, speed = available_bytes(), remembered()
    return [Catalogued(entry, fit(entry, free, speed), downloaded(entry)) for entry in entries()]


def on_this_computer() -> Iterator[dict[str, object]]:
    """The models whose files are here: the embedded one, the hub's cache, other programs' GGUF files."""
    yield {"id": "embedded", "family": _family(EMBEDDED)}
    yield from _cached()
    yield from map(stores.describe, stores.find_files(hub_cache()))


def choices() -> list[dict[str, Any]]:
    """The choices for a picker, most convenient first: `model` is the value of the setting; `get` is the catalogue name
    of a model that must be downloaded first, with its `licence`.
    """
    known = catalogued()
    found: list[dict[str, Any]] = [
        {"model": "embedded", "label": "embedded", "about": "the model that ships with aix-lsp"}
    ]
    here = {str(one.place) for one in known if one.place} | {
        one.entry.safetensors.repository for one in known
    }
    found += [
        {"model": one.entry.name, "label": one.entry.name, "about": one.about()} for one in known if one.place
    ]
    for model in on_this_computer():
        if model["family"] and "trouble" not in model and str(model["id"]) not in {*here, "embedded"}:
            about = f"{model['family']}, {model.get('store', 'Hugging Face')}"
            found.append({"model": model["id"], "label": str(model.get("name", model["id"])), "about": about})
    absent = sorted((one for one in known if not one.place), key=lambda one: one.fit.fits is False)
    return found + [
        {
            "model": one.entry.name,
            "get": one.entry.name,
            "label": one.entry.name,
            "about": one.about(),
            "gb": one.entry.source().gb,
            "licence": f"{one.entry.licence.name} ({one.entry.licence.terms}): {one.entry.licence.url}",
        }
        for one in absent
    ]


def special_tokens(folder: Path) -> frozenset[str]:
    """The special tokens named in a model's folder, without loading the tokenizer; empty if unknown."""
    found: set[str] = set()
    for name in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        try:
            found |= set(_token_names(read_json(folder / name, _LARGEST)))
        except (OSError, ValueError):
            continue
    try:  # the only file that names them if transformers 5 saved the tokenizer
        tokenizer = read_bytes(folder / "tokenizer.json", _LARGEST)
        added = msgspec.json.decode(tokenizer, type=_TokenizerFile).added_tokens
        found |= {token.content for token in added}
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
        pass
    return frozenset(found)


def _cached() -> Iterator[dict[str, object]]:
    for folder in sorted(hub_cache().glob("models--*")):
        name = folder.name.removeprefix("models--").replace("--", "/")
        for snapshot in sorted(folder.glob("snapshots/*")):
            if is_whole(snapshot):
                size = sum((snapshot / shard).stat().st_size for shard in shards(snapshot))
                yield {"id": name, "family": _family(snapshot, name), "store": "Hugging Face", "bytes": size}
                break


def _family(folder: Path, name: str = "") -> str:
    template = detect(special_tokens(folder), name)
    return template.name if template else ""


def _token_names(value: Any) -> Iterator[str]:
    """All strings in a tokenizer's files that may be names of tokens."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _token_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _token_names(inner)


def _time(ms: float) -> str:
    if ms < 995:
        return f"{ms:.0f} ms" if ms < 100 else f"{round(ms, -1):.0f} ms"
    return f"{ms / 1000:.1f} s"
