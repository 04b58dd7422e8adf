"""Distinguishes random strings from strings made of words, and so keys from names. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise

# For each first letter, the letters that make up 95.5 % of those that follow it in words of Python's and npm's source.
_PAIRS = (
    "abcdgiklmnprstuvwxy baceijlorsuy cacehiklmorstuy dadeilorstu eabcdefgilmnopqrstvwxy faefilorstu "
    "gaehilnorsu haeiort iabcdefglmnoprstvxz keils ladeilnopstuy mabdeimopsu nacdefgiklnopstuv "
    "oabcdfgiklmnoprstuvw padeiloprstuy qu rabcdefgiklmnoprstuvy sacehiklmnoprstuy tacdefhilmnoprstuy "
    "uabcdefgilmnprst vaei waehinors xceipt yenpst ze"
)
_FOLLOWERS = {row[0]: frozenset(row[1:]) for row in _PAIRS.split()}
_LIKE_A_WORD = 0.75
"""Share of common letter pairs. 97 % of words reach it, and 1 to 15 % of random runs, the longer the fewer."""
_RUNS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+|[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2})+")
_UUID = re.compile(r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
_CLASSES = "lUds"
_SIZES = {"l": 26, "U": 26, "d": 10, "s": 2}
_STEPS = {
    "l": (0.856, 0.034, 0.007, 0.103),
    "U": (0.228, 0.635, 0.018, 0.120),
    "d": (0.118, 0.041, 0.681, 0.160),
    "s": (0.710, 0.219, 0.020, 0.051),
}
"""How often each class of characters (lower case, upper case, digits, signs) follows each other one in 41,000 names
and paths from the installed sources of Python, npm and C."""
_COMMON, _UNCOMMON = math.log(0.95 / 0.48), math.log(0.05 / 0.52)
"""Log-likelihood ratio of a common and of an uncommon letter pair: names against random letters."""
_LONGEST = 512
"""The rest of a longer string adds no information."""


def is_hex(value: str) -> bool:
    """Whether a string is hexadecimal, as digests are."""
    return _HEX.fullmatch(value) is not None


def is_uuid(value: str) -> bool:
    """Whether a string is a UUID."""
    return _UUID.fullmatch(value) is not None


def kinds(value: str) -> int:
    """How many of the three classes lower case, upper case and digits occur in a string."""
    return sum(any(map(kind, value)) for kind in (str.isupper, str.islower, str.isdigit))


def entropy(value: str) -> float:
    """Bits per character, by the frequencies of the characters in `value` itself."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


@lru_cache(maxsize=8192)
def word_share(value: str) -> float:
    """The share of a string's letters and digits that are in word-like runs: 1 for `user_name`; 1 if there are none.

    About 0.2 for random letters and digits, near 0 for random letters in both cases.
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
    """The mean length of a run of one kind of character: about 6 in names, 2 or 3 in random letters and digits."""
    return len(value) / max(1, len(_RUNS.findall(value)))


@lru_cache(maxsize=1024)
def name_evidence(value: str) -> float:
    """The log of how much likelier a string is as a name or path than as random characters of its classes.

    -5 is reached by 1 in 20 random Base64 strings of 12 characters and 1 in 2,000 of 20 letters and digits; 0 by 1 in
    300 and less than 1 in 4,000. Of names of 16 characters, 94 % are above 0 and 97 % above -2.
    """
    value = value[:_LONGEST]
    classes = "".join(
        "l" if char.islower() else "U" if char.isupper() else "d" if char.isdigit() else "s" for char in value
    )
    size = sum(_SIZES[kind] for kind in set(classes))
    evidence = 0.0
    for (first, second), step in zip(pairwise(value.lower()), pairwise(classes), strict=True):
        evidence += _LOGARITHMS[step] + math.log(size)
        if step in (("l", "l"), ("U", "U"), ("U", "l")):
            evidence += _COMMON if second in _FOLLOWERS.get(first, ()) else _UNCOMMON
    return evidence


_LOGARITHMS = {
    (first, second): math.log(share / _SIZES[second])
    for first, shares in _STEPS.items()
    for second, share in zip(_CLASSES, shares, strict=True)
}


def is_sequence(value: str) -> bool:
    """Whether a string is an alphabet, a row of the keyboard, or a repetition."""
    value = value[:_LONGEST].lower()
    steps = sum(ord(second) - ord(first) in (0, 1) for first, second in pairwise(value))
    return steps > 0.5 * len(value) or "qwertyuiop" in value or len(set(value)) <= max(2, len(value) // 8)
