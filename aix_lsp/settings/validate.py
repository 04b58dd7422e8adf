"""Checks whether a value fits an option, and words the message if it does not. Pure functions over the table."""

from __future__ import annotations

import math
import os
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

from aix_lsp.settings.names import STRING_OR_LIST, closest, options

MOST_CHARACTERS = 4096
MOST_ITEMS = 1000


class Misfit(Exception):
    """A value does not fit its option. The message says what the option takes, such as "an integer, at least 1"."""


@cache
def constrained(name: str) -> Any:
    """The type of the option `name` with its bounds, as msgspec reads them. Raises KeyError for an unknown name."""
    import msgspec  # takes milliseconds, which a server's start can do without

    option = options()[name]
    kind: Any = option.kind
    if get_origin(kind) is dict:
        return dict[str, Any]  # an error in one language must not discard the others
    if kind is str:
        return Annotated[str, msgspec.Meta(max_length=MOST_CHARACTERS)]
    if kind == list[str]:
        each = Annotated[str, msgspec.Meta(max_length=MOST_CHARACTERS)]
        return Annotated[list[each], msgspec.Meta(max_length=MOST_ITEMS)]
    return (
        kind
        if option.minimum is None
        else Annotated[kind, msgspec.Meta(ge=option.minimum, le=option.maximum)]
    )


def fit(name: str, value: Any) -> Any:
    """`value` converted to the type of the option `name`. Raises Misfit, or KeyError if there is no such option."""
    return _convert(name, value, strict=True)


def parse(name: str, text: str) -> Any:
    """The value that `text` from a command line means for the option `name`. Raises Misfit, KeyError."""
    kind: Any = get_origin(options()[name].kind) or options()[name].kind
    if kind is dict:
        raise Misfit("written in a settings file, because it is a table")
    value: Any = text
    if kind is list or (options()[name].kind == STRING_OR_LIST and "," in text):
        value = [part.strip() for part in text.split(",") if part.strip()]
    elif kind is bool:
        value = {"on": "true", "off": "false"}.get(text.strip().lower(), text.strip())
    return _convert(name, value, strict=kind in (str, UnionType))


def unknown(name: str) -> str:
    """The message about an option that does not exist."""
    guess = closest(name, list(options())) if len(name) <= 60 else ""
    return f"there is no such setting; did you mean {guess}?" if guess else "there is no such setting."


def _convert(name: str, value: Any, *, strict: bool) -> Any:
    import msgspec

    kind = options()[name].kind
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)  # editors in which all numbers are floating-point (Lua, Emacs) send 64.0 for 64
    try:
        fitted = msgspec.convert(value, constrained(name), strict=strict)
    except (msgspec.ValidationError, OverflowError, RecursionError):
        raise Misfit(_wanted(name, value)) from None
    if isinstance(fitted, float) and not math.isfinite(fitted):
        raise Misfit(_wanted(name, value))
    if not all(map(_can_be_handed_on, [fitted] if isinstance(fitted, str) else _strings_in(fitted))):
        raise Misfit("text without null characters and halves of characters")
    return fitted


def _strings_in(value: Any) -> list[str]:
    return value if isinstance(value, list) else []


def _can_be_handed_on(text: str) -> bool:
    """Whether a text can be a file's name, or an argument of a child process."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _wanted(name: str, value: Any) -> str:
    """What an option takes, in words."""
    option = options()[name]
    kind, minimum, maximum = option.kind, option.minimum, option.maximum
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        guess = closest(value, list(choices)) if isinstance(value, str) and len(value) <= 60 else ""
        listed = ", ".join(f'"{choice}"' for choice in choices)
        return f"one of {listed}" + (f" (did you mean {guess}?)" if guess else "")
    words = {bool: "true or false", str: "a string", int: "an integer", float: "a number"}
    words |= {list: "a list of strings", dict: "a table", UnionType: "a string or a list of strings"}
    if (kind is str and isinstance(value, str)) or (kind == list[str] and _strings(value)):
        return f"shorter: at most {MOST_CHARACTERS} characters, and {MOST_ITEMS} in a list"
    if maximum is not None and isinstance(value, int | float) and maximum < value < math.inf:
        bounds = f", at most {maximum:.12g}"
    else:
        bounds = "" if minimum is None else f", at least {minimum:.12g}"
    return words[get_origin(kind) or kind] + bounds


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
