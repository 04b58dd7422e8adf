"""Whether a value fits an option, and what to say where it does not. Pure functions over the table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from aix_lsp.settings.names import closest, options, types


class Misfit(Exception):
    """A value does not fit its option. The message says what would, such as "an integer, at least 1"."""


def fit(name: str, value: Any) -> Any:
    """`value` as the type of the option `name`. Raises Misfit; KeyError where there is no such option."""
    return _fit_type(types()[name], value, options()[name].metadata["minimum"])


def parse(name: str, text: str) -> Any:
    """The value that `text` from a command line means for the option `name`. Raises Misfit, KeyError."""
    kind = types()[name]
    value: Any = text
    if kind is bool:
        value = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}.get(
            text.strip().lower(), text
        )
    elif kind in (int, float):
        value = _number(text)
    elif get_origin(kind) is list:
        value = [part.strip() for part in text.split(",") if part.strip()]
    elif get_origin(kind) is dict:
        raise Misfit("written in a settings file, because it is a table")
    return fit(name, value)


def unknown(name: str) -> str:
    """What to say of an option that does not exist."""
    guess = closest(name, list(options()))
    return f"there is no such setting; did you mean {guess}?" if guess else "there is no such setting."


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _fit_type(kind: Any, value: Any, minimum: float | None) -> Any:
    if kind is bool:
        return _require(isinstance(value, bool), value, "true or false")
    if kind is str:
        return _require(isinstance(value, str), value, "a string")
    if kind is int or kind is float:
        return _fit_number(kind, value, minimum)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return _require(isinstance(value, str) and value in choices, value, _one_of(choices, value))
    if get_origin(kind) is list:
        whole = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return _require(whole, value, "a list of strings")
    return dict(_require(isinstance(value, Mapping), value, "a table"))


def _fit_number(kind: type, value: Any, minimum: float | None) -> float:
    bound = "" if minimum is None else f", at least {minimum:g}"
    wanted = ("an integer" if kind is int else "a number") + bound
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    # Editors whose numbers are all floating point (Lua, Emacs) send 64.0 for 64.
    fits = number and (kind is float or float(value).is_integer()) and (minimum is None or value >= minimum)
    _require(fits, value, wanted)
    return int(value) if kind is int else float(value)


def _one_of(choices: tuple[str, ...], value: Any) -> str:
    guess = closest(value, list(choices)) if isinstance(value, str) else ""
    listed = ", ".join(f'"{choice}"' for choice in choices)
    return f"one of {listed}" + (f" (did you mean {guess}?)" if guess else "")


def _require(fits: bool, value: Any, wanted: str) -> Any:
    if not fits:
        raise Misfit(wanted)
    return value
