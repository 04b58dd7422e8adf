"""`aix-lsp models`: the supported model families, and the models on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from aix_lsp.commands import stores
from aix_lsp.files import read_json
from aix_lsp.fim.templates import FAMILIES, detect

_LARGEST = 64 << 20
_EMBEDDED = Path(__file__).parents[1] / "embedded"


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List model families and the models on this machine.

    Any of the models listed, or a folder that transformers can load, is a value for the setting "model". Those that
    Ollama, LM Studio and llama.cpp have fetched are GGUF files, named by their paths.
    """
    models: list[dict[str, object]] = [
        {"id": "embedded", "family": _family(_EMBEDDED)},
        *_cached(),
        *map(stores.describe, stores.find_files(hub_cache())),
    ]
    if as_json:
        families = [{"name": t.name, "order": t.order, "context": t.takes_context} for t in FAMILIES]
        click.echo(json.dumps({"families": families, "models": models}))
        return
    click.echo("Families, for the setting fimFamily if the family is not detected:")
    for template in FAMILIES:
        order = "suffix first" if template.order == "spm" else "prefix first"
        context = ", takes other files" if template.takes_context else ""
        click.echo(f"  {template.name:<12} {order}{context}")
    click.echo("\nModels on this machine:")
    for model in models:
        click.echo(f"  {model.get('name', model['id']):<44} {_about(model)}")


def _about(model: dict[str, object]) -> str:
    """One line on a model: family and, of a file, its size, where it is, and why it cannot be used."""
    family = str(model["family"] or "no fill-in-the-middle")
    if "store" not in model:
        return family
    if "trouble" in model:
        family = f"cannot be used: {model['trouble']}"
    elif isinstance(parameters := model["parameters"], int) and isinstance(size := model["bytes"], int):
        family += f", {parameters / 1e9:.1f} G weights in {size / 1e9:.1f} GB"
    return f"{family} ({model['store']})\n    {model['id']}"


def hub_cache() -> Path:
    """Where huggingface_hub keeps models; found without importing it."""
    home = os.environ.get("HF_HOME") or str(
        Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    )
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def special_tokens(folder: Path) -> frozenset[str]:
    """The special tokens that a model's folder names, without loading its tokenizer; empty where unknown."""
    found: set[str] = set()
    for name in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        try:
            found |= set(_token_names(read_json(folder / name, _LARGEST)))
        except (OSError, ValueError):
            continue
    return frozenset(found)


def _cached() -> Iterator[dict[str, object]]:
    for folder in sorted(hub_cache().glob("models--*")):
        name = folder.name.removeprefix("models--").replace("--", "/")
        for snapshot in sorted(folder.glob("snapshots/*")):
            if (snapshot / "config.json").exists() and any(snapshot.glob("*.safetensors")):
                yield {"id": name, "family": _family(snapshot, name)}
                break


def _family(folder: Path, name: str = "") -> str:
    template = detect(special_tokens(folder), name)
    return template.name if template else ""


def _token_names(value: Any) -> Iterator[str]:
    """Every text in a tokenizer's files that may be the name of a token."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _token_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _token_names(inner)
