"""Keys and passwords pasted into ordinary files: found in a prompt's text, replaced by something like them.

Never used on what the user sees. A placeholder has its secret's length and kinds of characters, so that
places in the text stay where they are and the model sees the same shape.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

# The group "secret" is replaced; what stands before it is the part of a key that is the same in all of them.
_KNOWN = re.compile(
    r"""
      \b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA)(?P<aws>[A-Z0-9]{16})\b
    | \bgh[pousr]_(?P<github>[A-Za-z0-9]{30,255})
    | \bgithub_pat_(?P<github_pat>\w{22,255})
    | \bglpat-(?P<gitlab>[\w-]{20,400})
    | \bxox[abeprs]-(?P<slack>[A-Za-z0-9-]{10,400})
    | hooks\.slack\.com/services/(?P<slack_hook>[\w/]{20,400})
    | \b[sr]k_(?:live|test)_(?P<stripe>[A-Za-z0-9]{16,400})
    | \bAIza(?P<google>[\w-]{35})
    | \bya29\.(?P<google_oauth>[\w-]{20,400})
    | \bsk-(?:ant-|proj-)?(?P<sk>[\w-]{20,400})
    | \bhf_(?P<huggingface>[A-Za-z0-9]{30,400})
    | \bnpm_(?P<npm>[A-Za-z0-9]{36})
    | \bpypi-(?P<pypi>[\w-]{50,400})
    | \bdop_v1_(?P<digitalocean>[a-f0-9]{64})
    | \bSG\.(?P<sendgrid>[\w-]{16,400}\.[\w-]{16,400})
    | \beyJ(?P<jwt>[\w-]{10,400}\.[\w-]{10,400}\.[\w-]{5,400})
    | ://[^\s:/@'"]+:(?P<url>[^\s@'"/{}$<>]{3,120})@
    """,
    re.VERBOSE,
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----(.*?)(?:-----END|\Z)", re.DOTALL
)
_ASSIGNED = re.compile(
    r"""
    (?P<name>secret|token|passw(?:or)?d|passphrase|pwd|api_?-?key|access_?-?key|auth_?-?key|private_?-?key
        |credential|client_?-?id)\w{0,40}
    ["']?[ \t]{0,8}(?::=|=>|[:=])[ \t]{0,8}
    (?P<quote>["'`])(?P<secret>[^"'`\s]{8,200})(?P=quote)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_QUOTED = re.compile(r"""(["'`])(?P<secret>[A-Za-z0-9+/_=.-]{32,200})\1""")
_NOT_SECRET = re.compile(
    r"[${<]|%\(|example|changeme|change_me|placeholder|dummy|your|xxxx|\.\.\.|\*\*\*|^(.)\1*$", re.IGNORECASE
)
_HASH = re.compile(r"(?:sha\d+-|sha\d+:|md5:)|^[0-9a-fA-F]+$")
_BITS_ASSIGNED = 2.5
_BITS_QUOTED = 4.2
"""Entropy, in bits a character, above which a long string is random rather than words or a path."""


class Redacted(NamedTuple):
    """A text without its secrets, and what stands in their place."""

    text: str
    placeholders: tuple[str, ...]


def redact(text: str) -> Redacted:
    """Replace the secrets in a text; lengths and line endings stay."""
    placeholders: list[str] = []
    for match in _PRIVATE_KEY.finditer(text) if "PRIVATE KEY" in text else ():
        key = "".join(map(_char_like, match[1]))
        placeholders += [line for line in key.split("\n") if line]
        text = text[: match.start(1)] + key + text[match.end(1) :]
    lines = [_redact_line(line) for line in text.split("\n")]
    placeholders += [placeholder for line in lines for placeholder in line.placeholders]
    return (
        Redacted("\n".join(line.text for line in lines), tuple(placeholders))
        if placeholders
        else Redacted(text, ())
    )


# All lines but the last are the same from keystroke to keystroke.
@lru_cache(maxsize=8192)
def _redact_line(line: str) -> Redacted:
    parts: list[str] = []
    placeholders: list[str] = []
    position = 0
    for start, end in _apart(_found(line)):
        placeholders.append("".join(map(_char_like, line[start:end])))
        parts += [line[position:start], placeholders[-1]]
        position = end
    return Redacted("".join(parts) + line[position:], tuple(placeholders))


def _found(text: str) -> Iterator[tuple[int, int]]:
    for match in _KNOWN.finditer(text):
        yield match.span(match.lastgroup or 0)
    for match in _ASSIGNED.finditer(text):
        value = match["secret"]
        if not _NOT_SECRET.search(value) and _looks_random(value, match["name"]):
            yield match.span("secret")
    for match in _QUOTED.finditer(text):
        value = match["secret"]
        if not _NOT_SECRET.search(value) and not _HASH.search(value) and _mixed(value):
            yield match.span("secret")


def _looks_random(value: str, name: str) -> bool:
    """Whether a string that is given to something with a telling name is a secret, not a name of one."""
    if "pass" in name.lower() or "pwd" in name.lower():
        return entropy(value) >= _BITS_ASSIGNED
    return entropy(value) >= _BITS_ASSIGNED and any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _mixed(value: str) -> bool:
    kinds = sum(any(map(kind, value)) for kind in (str.isupper, str.islower, str.isdigit))
    return kinds == 3 and entropy(value) >= _BITS_QUOTED


def entropy(value: str) -> float:
    """Bits a character, by the frequencies of the characters in `value` itself."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


def _char_like(char: str) -> str:
    if char.isdigit():
        return "0"
    if char.isalpha():
        return "X" if char.isupper() else "x"
    return char


def _apart(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order and without overlaps; what was found first, by the surer pattern, counts."""
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        if start < end and not any(
            start < other_end and other_start < end for other_start, other_end in kept
        ):
            kept.append((start, end))
    return sorted(kept)


def encodable(string: str) -> str:
    """The string without lone surrogates, which JSON lets in and UTF-8 does not."""
    return string.encode("utf-8", "replace").decode("utf-8")
