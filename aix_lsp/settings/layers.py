"""Merges several sources of settings: which one wins, and the problems found in each. Reads no files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aix_lsp.logs import printable
from aix_lsp.paths import folder_named
from aix_lsp.settings.names import SECTION, options
from aix_lsp.settings.table import Settings
from aix_lsp.settings.validate import Misfit, fit, unknown
from aix_lsp.trust import Refused, Trust, check, excluding, narrowed

_HIDDEN = "(not shown)"
_MOST_PROBLEMS = 20
_MOST_LANGUAGES = 300


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a source of settings. `name` is an option's external one; empty for the whole source."""

    source: str
    name: str
    message: str

    def __str__(self) -> str:
        place = f"{self.name} in {self.source}" if self.name else self.source
        return printable(f"{place}: {self.message}")


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings: values by external name, where they come from, and how far that source is trusted."""

    source: str
    values: Mapping[str, Any] = field(default_factory=dict)
    trust: Trust = Trust.CHOOSES
    problems: tuple[Problem, ...] = ()
    """What went wrong before any value could be examined."""
    base: Path | None = None
    """The folder that relative paths are relative to: the file's, or that in which the command was given."""


def unwrap(values: Any) -> Mapping[str, Any]:
    """The settings of a client or a file, which may or may not be inside a section with our name."""
    if not isinstance(values, Mapping):
        return {}
    inner = values.get(SECTION)
    return inner if isinstance(inner, Mapping) and len(values) == 1 else values


def resolve(layers: Iterable[Layer]) -> tuple[Settings, list[Problem]]:
    """Merge the layers, of which later ones win; returns the settings and all problems found.

    A wrong value is ignored, so an earlier layer's stays. Null means "not set". aix_lsp/trust.py decides what a layer
    may set.
    """
    chosen: dict[str, Any] = {}
    problems: list[Problem] = []
    for layer in layers:
        found = list(layer.problems)
        for name, value in layer.values.items():
            if value is None:
                continue
            try:
                accepted = _accept(layer, name, value, chosen, found)
            except Refused as refused:
                found.append(Problem(layer.source, _short_name(name), str(refused)))
            else:
                chosen[name] = accepted
                _narrow_languages(layer.trust, name, accepted, chosen)
        problems += _few(layer.source, found)
    by_field = {options()[name].name: value for name, value in chosen.items()}
    return Settings(**by_field), problems


def _few(source: str, problems: list[Problem]) -> list[Problem]:
    """The first few of a source's problems: a file may have a hundred thousand."""
    if len(problems) <= _MOST_PROBLEMS:
        return problems
    rest = len(problems) - _MOST_PROBLEMS
    return [*problems[:_MOST_PROBLEMS], Problem(source, "", f"{rest} more problems.")]


def for_language(settings: Settings, language: str) -> Settings:
    """The settings that apply to documents of a language (LSP id)."""
    changes = settings.languages.get(language)
    if not changes:
        return settings
    return replace(settings, **{options()[name].name: value for name, value in changes.items()})


def _accept(layer: Layer, name: str, value: Any, chosen: Mapping[str, Any], problems: list[Problem]) -> Any:
    option = options().get(name)
    if option is None:
        raise Refused(_unknown(name, problems))
    if name != "languages":  # where each setting is looked at
        check(layer.trust, option)
    accepted = _fitted(name, value, chosen)
    if option.folder:
        return _placed(accepted, layer.base)
    if name == "languages":
        return _accept_languages(layer, accepted, chosen, problems)
    if name == "exclude":
        return _excluded(layer, accepted, chosen, problems)
    return _narrow(layer, name, accepted, _held(name, chosen), problems)


def _excluded(
    layer: Layer, patterns: list[str], chosen: Mapping[str, Any], problems: list[Problem]
) -> list[str]:
    """The patterns so far followed by the layer's: a project's list must not undo the user's."""
    kept, left_out = excluding(layer.trust, patterns)
    if left_out:
        message = (
            'a project may only exclude more; its "!" patterns are ignored. '
            "Put them into your own settings (`aix-lsp settings --where`)."
        )
        problems.append(Problem(layer.source, "exclude", message))
    return [*chosen.get("exclude", []), *kept]


def _narrow(layer: Layer, name: str, value: Any, held: Any, problems: list[Problem], place: str = "") -> Any:
    """The value as far as the layer is allowed to set it; a reduction is reported in `problems`."""
    taken = narrowed(layer.trust, options()[name], value, held)
    if taken != value:
        message = f"a project may only lower this or turn it off; using {_short(taken)}."
        problems.append(Problem(layer.source, place or name, message))
    return taken


def _narrow_languages(trust: Trust, name: str, value: Any, chosen: dict[str, Any]) -> None:
    """Apply what a less trusted source switches off to those languages, too, for which the user has set the option."""
    if trust >= Trust.CHOOSES or not options()[name].narrows or name == "exclude":
        return
    chosen["languages"] = {
        language: values
        | ({name: narrowed(trust, options()[name], values[name], value)} if name in values else {})
        for language, values in chosen.get("languages", {}).items()
    }


def _held(name: str, chosen: Mapping[str, Any]) -> Any:
    return chosen[name] if name in chosen else options()[name].default


def _fitted(name: str, value: Any, chosen: Mapping[str, Any]) -> Any:
    try:
        return fit(name, value)
    except Misfit as misfit:
        kept = _held(name, chosen)
        secret = options()[name].secret
        got, using = (_HIDDEN, _HIDDEN) if secret else (_short(value), _short(kept))
        raise Refused(f"must be {misfit}, not {got}; using {using}.") from None


def _placed(value: str, base: Path | None) -> str:
    """The value of a setting that may name a folder, with the folder made absolute."""
    try:
        folder = folder_named(value, base)
    except ValueError as error:
        raise Refused(f"must be {error}.") from None
    return value if folder is None else str(folder)


def _accept_languages(
    layer: Layer, given: Mapping[str, Any], chosen: Mapping[str, Any], problems: list[Problem]
) -> dict[str, dict[str, Any]]:
    before: Mapping[str, Mapping[str, Any]] = chosen.get("languages", {})
    merged = {language: dict(values) for language, values in before.items()}
    for language, values in given.items():
        where = f"languages.{_short_name(language)}"
        if len(merged) >= _MOST_LANGUAGES and language not in merged:
            problems.append(Problem(layer.source, where, f"only {_MOST_LANGUAGES} languages are kept."))
        elif not isinstance(values, Mapping):
            problems.append(Problem(layer.source, where, "must be a table of settings."))
        else:
            kept = merged.setdefault(language, {})
            for name, value in values.items():
                place = f"{where}.{_short_name(name)}"
                try:
                    if value is not None:
                        kept[name] = _for_language(layer, name, value, {**chosen, **kept}, problems, place)
                except Refused as refused:
                    problems.append(Problem(layer.source, place, str(refused)))
    return merged


def _for_language(
    layer: Layer, name: str, value: Any, chosen: Mapping[str, Any], problems: list[Problem], place: str
) -> Any:
    option = options().get(name)
    if option is None:
        raise Refused(_unknown(name, problems))
    if not option.per_language:
        raise Refused("cannot differ by language; set it for all.")
    check(layer.trust, option)
    return _narrow(layer, name, _fitted(name, value, chosen), _held(name, chosen), problems, place)


def _unknown(name: str, problems: Sequence[Problem]) -> str:
    """The message about an unknown option; only for the first few, as finding the intended one takes a millisecond."""
    return unknown(name) if len(problems) < _MOST_PROBLEMS else "there is no such setting."


def _short(value: Any) -> str:
    try:
        text = f'"{value}"' if isinstance(value, str) else repr(value)
    except (RecursionError, ValueError):  # nested too deeply, or with too many digits, to be printed
        text = "what was given"
    return text if len(text) <= 60 else text[:57] + "…"


def _short_name(name: str) -> str:
    return name if len(name) <= 60 else name[:57] + "…"
