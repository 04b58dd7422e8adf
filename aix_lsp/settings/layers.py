"""Several sources of settings made into one: which wins, and what was wrong with each. Reads no files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aix_lsp.paths import folder_named
from aix_lsp.settings.names import SECTION, options
from aix_lsp.settings.table import Settings
from aix_lsp.settings.validate import Misfit, fit, unknown

_HIDDEN = "(not shown)"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a source of settings. `name` is external; empty where the whole source is meant."""

    source: str
    name: str
    message: str

    def __str__(self) -> str:
        place = f"{self.name} in {self.source}" if self.name else self.source
        return f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings: values by external name, and where they come from.

    A layer of a project (`trusted` false) may set only what cannot make the program run or contact something
    that the user has not chosen: whoever wrote the project wrote the file.
    """

    source: str
    values: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = True
    problems: tuple[Problem, ...] = ()
    """What went wrong before any value could be looked at."""
    base: Path | None = None
    """The folder that relative ones count from: where the file lies, or where the command was given."""


def unwrap(values: Any) -> Mapping[str, Any]:
    """The settings in what a client or a file gave: with or without the section's name around them."""
    if not isinstance(values, Mapping):
        return {}
    inner = values.get(SECTION)
    return inner if isinstance(inner, Mapping) and len(values) == 1 else values


def resolve(layers: Iterable[Layer]) -> tuple[Settings, list[Problem]]:
    """The settings that the layers make together, later ones winning, and all that was wrong in them.

    A wrong value leaves what the layers before it gave. Null means "not set".
    """
    chosen: dict[str, Any] = {}
    problems: list[Problem] = []
    for layer in layers:
        problems.extend(layer.problems)
        for name, value in layer.values.items():
            if value is None:
                continue
            try:
                accepted = _accept(layer, name, value, chosen, problems)
            except _Refused as refused:
                problems.append(Problem(layer.source, name, str(refused)))
            else:
                chosen[name] = accepted
    by_field = {options()[name].name: value for name, value in chosen.items()}
    return Settings(**by_field), problems


def for_language(settings: Settings, language: str) -> Settings:
    """The settings as they hold for documents of a language (LSP id)."""
    changes = settings.languages.get(language)
    if not changes:
        return settings
    return replace(settings, **{options()[name].name: value for name, value in changes.items()})


class _Refused(Exception):
    """Why a value was not taken."""


def _accept(layer: Layer, name: str, value: Any, chosen: Mapping[str, Any], problems: list[Problem]) -> Any:
    option = options().get(name)
    if option is None:
        raise _Refused(unknown(name))
    if not layer.trusted and option.metadata["scope"] == "user":
        raise _Refused(
            "a project may not set this, because it decides what is run or contacted; "
            "put it into your own settings (`aix-lsp settings --where`)."
        )
    accepted = _fitted(name, value, chosen)
    if option.metadata["folder"]:
        return _placed(accepted, layer.base)
    if name == "languages":
        return _accept_languages(layer, accepted, chosen.get(name, {}), problems)
    if isinstance(accepted, list):
        # A project's list of exclusions must not undo the user's.
        return [*chosen.get(name, []), *_excluding(layer, name, accepted, problems)]
    return accepted


def _excluding(layer: Layer, name: str, patterns: list[str], problems: list[Problem]) -> list[str]:
    """The patterns of a list that a layer may give: only the user's own allow anything."""
    if layer.trusted:
        return patterns
    kept = [pattern for pattern in patterns if not pattern.lstrip().startswith("!")]
    if len(kept) < len(patterns):
        problems.append(
            Problem(
                layer.source,
                name,
                'a project may only exclude more; its "!" patterns are left out. '
                "Put them into your own settings (`aix-lsp settings --where`).",
            )
        )
    return kept


def _fitted(name: str, value: Any, chosen: Mapping[str, Any]) -> Any:
    try:
        return fit(name, value)
    except Misfit as misfit:
        kept = chosen[name] if name in chosen else getattr(Settings(), options()[name].name)
        secret = options()[name].metadata["secret"]
        got, using = (_HIDDEN, _HIDDEN) if secret else (_short(value), _short(kept))
        raise _Refused(f"must be {misfit}, not {got}; using {using}.") from None


def _placed(value: str, base: Path | None) -> str:
    """A setting that may name a folder, with the folder absolute."""
    try:
        folder = folder_named(value, base)
    except ValueError as error:
        raise _Refused(f"must be {error}.") from None
    return value if folder is None else str(folder)


def _accept_languages(
    layer: Layer, given: Mapping[str, Any], before: Mapping[str, Any], problems: list[Problem]
) -> dict[str, dict[str, Any]]:
    merged = {language: dict(values) for language, values in before.items()}
    for language, values in given.items():
        if not isinstance(values, Mapping):
            problems.append(Problem(layer.source, f"languages.{language}", "must be a table of settings."))
            continue
        kept = merged.setdefault(language, {})
        for name, value in values.items():
            place = f"languages.{language}.{name}"
            option = options().get(name)
            if option is None:
                problems.append(Problem(layer.source, place, unknown(name)))
            elif not option.metadata["per_language"]:
                problems.append(Problem(layer.source, place, "cannot differ by language; set it for all."))
            elif value is not None:
                try:
                    kept[name] = _fitted(name, value, kept)
                except _Refused as refused:
                    problems.append(Problem(layer.source, place, str(refused)))
    return merged


def _short(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
