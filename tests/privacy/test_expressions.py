"""No regular expression applied to untrusted text takes exponential time."""

from __future__ import annotations

import importlib
import multiprocessing
import pkgutil
import re
from collections.abc import Iterator
from itertools import product
from multiprocessing.sharedctypes import Synchronized

import aix_lsp.completion
import aix_lsp.fim
import aix_lsp.lsp
import aix_lsp.privacy

_PACKAGES = (aix_lsp.privacy, aix_lsp.completion, aix_lsp.fim, aix_lsp.lsp)
_SIGNS = " \t\"'`|>([{<\\/-_.:=,;#*$@&%!?aA0"
_BEFORE = ("", "a", "password", "password: ", "token = ")
_TIMES = 40
"""An exponential expression would try 2**40 alternatives."""
_CEILING_S = 120.0


def _expressions(value: object, depth: int = 0) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif isinstance(value, tuple | list | set | frozenset | dict) and depth < 3:
        for each in value.values() if isinstance(value, dict) else value:
            yield from _expressions(each, depth + 1)


def _all() -> Iterator[tuple[str, re.Pattern[str]]]:
    for package in _PACKAGES:
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            for name, value in vars(importlib.import_module(info.name)).items():
                for expression in _expressions(value):
                    yield f"{info.name}.{name}", expression


def _search(number: Synchronized[int]) -> None:
    for _, expression in _all():
        for before, (first, second) in product(_BEFORE, product(_SIGNS, _SIGNS)):
            text = before + (first + second) * (_TIMES // 2) + "\0"
            expression.search(text)
            expression.fullmatch(text)
        number.value += 1


def test_no_expression_is_exponential() -> None:
    names = [name for name, _ in _all()]
    assert len(names) > 150
    context = multiprocessing.get_context("spawn")
    number = context.Value("i", 0)
    process = context.Process(target=_search, args=(number,))
    process.start()
    process.join(_CEILING_S)
    if process.is_alive():
        process.kill()
        process.join()
    assert number.value == len(names), f"{names[number.value]} does not end"
