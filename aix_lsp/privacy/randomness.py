"""Distinguishes random strings from strings made of words, and so keys from names. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise

# By first letter, the letters that follow it in 95.5 % of the places in the words of Python's and npm's source.
_PAIRS = (
    "abcdgiklmnprstuvwxy baceijlorsuy cacehiklmorstuy dadeilorstu eabcdefgilmnopqrstvwxy faefilorstu "
    "gaehilnorsu haeiort iabcdefglmnoprstvxz keils ladeilnopstuy mabdeimopsu nacdefgiklnopstuv "
    "oabcdfgiklmnoprstuvw padeiloprstuy qu rabcdefgiklmnoprstuvy sacehiklmnoprstuy tacdefhilmnoprstuy "
    "uabcdefgilmnprst vaei waehinors xceipt yenpst ze"
)
_FOLLOWERS = {row[0]: frozenset(row[1:]) for row in _PAIRS.split()}
_LIKE_A_WORD = 0.75
"""Of a run's pairs of letters: 97 % of words reach it, and 1 to 15 % of random letters, fewer the longer they are."""
_RUNS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+|[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2})+")
_UUID = re.compile(r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
_LONGEST = 512
"""More of a string says nothing more."""


def is_hex(value: str) -> bool:
    """Whether a string is hexadecimal, as digests are."""
    return _HEX.fullmatch(value) is not None


def is_uuid(value: str) -> bool:
    """Whether a string is a UUID."""
    return _UUID.fullmatch(value) is not None


def kinds(value: str) -> int:
    """How many of lower case, upper case and digits there are in a string."""
    return sum(any(map(kind, value)) for kind in (str.isupper, str.islower, str.isdigit))


def entropy(value: str) -> float:
    """Bits a character, by the frequencies of the characters in `value` itself."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


@lru_cache(maxsize=8192)
def word_share(value: str) -> float:
    """The share of the letters and digits of a string that stand in what looks like words: 1 for `user_name`.

    About 0.2 for random letters and digits, near 0 for random letters in both cases. 1 where there are none.
    """
    words = total = 0
    for run in _RUNS.findall(value[:_LONGEST]):
        total += len(run)
        if _is_word(run):
            words += len(run)
    return words / total if total else 1.0


def _is_word(run: str) -> bool:
    if len(run) < 3 or run[0].isdigit():
        return False
    letters = run.lower()
    pairs = pairwise(letters)
    common = sum(second in _FOLLOWERS.get(first, ()) for first, second in pairs)
    return common >= _LIKE_A_WORD * (len(letters) - 1)


def mean_run(value: str) -> float:
    """How many characters a run of one kind has on average: about 6 in names of words, 2 or 3 in random letters."""
    return len(value) / max(1, len(_RUNS.findall(value)))


def is_sequence(value: str) -> bool:
    """Whether a string is an alphabet, a row of keys, or one thing again and again."""
    value = value[:_LONGEST].lower()
    steps = sum(ord(second) - ord(first) in (0, 1) for first, second in pairwise(value))
    return steps > 0.5 * len(value) or "qwertyuiop" in value or len(set(value)) <= max(2, len(value) // 8)
