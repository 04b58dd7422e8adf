"""Finds keys and passwords pasted into ordinary files, and replaces them by placeholders of the same form.

Never used on what the user sees. A placeholder has its secret's length and kinds of characters, so that places in
the text stay where they are and the model sees the same shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from aix_lsp.privacy.judgement import Level, is_secret
from aix_lsp.privacy.line_secrets import LineScan, Span
from aix_lsp.privacy.secret_kinds import NAMES

_LITERAL_LANGUAGES = """
yaml yml dockercompose dotenv env properties ini toml dockerfile containerfile shellscript shell sh bash zsh fish
bat makefile conf cfg config nginx apacheconf editorconfig helm ansible terraform-vars github-actions-workflow
csh systemd desktop netrc log http rest hurl
"""
_LITERAL = frozenset(_LITERAL_LANGUAGES.split())
"""Language ids, and endings, of files in which a value needs no quotes."""
_LONG = 4096
_OVERLAP = 1024
_CACHED = 1024
_HEAD = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{0,60})-----|PuTTY-User-Key-File-\d|-----BEGIN PGP (PRIVATE KEY BLOCK)-----"
)
_SECRET_HEAD = re.compile(r"PRIVATE|SECRET|PuTTY|OPENSSH KEY|ENCRYPTED")
_BODY = re.compile(r"\\[nrt]|[A-Za-z0-9+/=]{4,}")
_BODY_LINE = re.compile(
    r"""[ \t"'`+,;#*/|\\>.&()-]*(?:[rnbf]?["'])?(?:(?:\\[nr])?[A-Za-z0-9+/=]{1,100}(?:\\[nr])*["'`+,;\\ \t)&.|]*)?"""
    r"""|[ \t"'#*/]*[A-Z][A-Za-z-]+:[ ].*|[ \t"'#*/]*=[A-Za-z0-9+/]{4}["'\\nr,;+ \t]*"""
)
_ITEM = re.compile(
    r"""[ \t]*(?:-[ \t]+)?["']?(?:name|key|field|label)["']?[ \t]*[:=][ \t]*["']?([\w.-]{2,80})["']?,?[ \t]*"""
    r"""|[ \t]*<key>([\w.-]{2,80})</key>[ \t]*""",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"""[ \t]*(?:variable|output)[ \t]+"([\w-]{2,80})"[ \t]*\{[ \t]*""")
_ABOUT_VARIABLE = re.compile(r"[ \t]+(?:description|type|sensitive|nullable|ephemeral)[ \t]*=")
_NEXT = re.compile(
    r"""[ \t]*(?:["']?(?:value|default)["']?[ \t]*[:=][ \t]*|<string>|[rbfu]{0,2}(?=["'`])|)(["'`]?)"""
    r"""([^"'`<>\s]{2,512}(?:[^"'`<>\n]{0,512}(?=["'`<]))?)""",
    re.IGNORECASE,
)
_KIND = re.compile(r"kind:[ \t]*[\"']?(\w+)")
_DATA = re.compile(r"[ \t]+[\"']?[\w.-]+[\"']?:[ \t]*[\"']?([^\s\"']{4,})")

# What a line leaves for the next: nothing, a private key's or a public thing's body, a name that waits for its value,
# a Kubernetes secret and its data.
PLAIN, PRIVATE, PUBLIC, MANIFEST, DATA = "", "private", "public", "manifest", "data"
_WAITING = {f"waits {level.name}": level for level in Level}


class Redacted(NamedTuple):
    """A text without its secrets, and what stands in their place."""

    text: str
    placeholders: tuple[str, ...]


class RedactedLine(NamedTuple):
    """A line without its secrets, and what it says about the next."""

    text: str
    placeholders: tuple[str, ...]
    state: str


def is_literal(language: str) -> bool:
    """Whether values need no quotes in files of a language (LSP id, or a file's ending)."""
    return language.lower() in _LITERAL


def redact(text: str, language: str = "") -> Redacted:
    """Replace the secrets in a whole text; lengths and line endings stay."""
    lines, placeholders, _ = redact_lines(text.split("\n"), PLAIN, is_literal(language))
    return Redacted("\n".join(lines), placeholders) if placeholders else Redacted(text, ())


def redact_lines(
    lines: Iterable[str], state: str, literal: bool
) -> tuple[Sequence[str], tuple[str, ...], str]:
    """Lines without their secrets, what stands in place of those, and the state behind the last line."""
    found: list[str] = []
    placeholders: list[str] = []
    for line in lines:
        redacted = redact_line(line, state, literal)
        found.append(redacted.text)
        placeholders += redacted.placeholders
        state = redacted.state
    return found, tuple(dict.fromkeys(placeholders)), state


def redact_line(line: str, state: str, literal: bool, cursor: int = -1) -> RedactedLine:
    """One line, with or without its ending. `cursor` is a column where the user is typing, or -1."""
    if cursor < 0 and len(line) <= _CACHED:
        return _remembered(line, state, literal)
    return _redact_line(line, state, literal, cursor)


def _redact_line(line: str, state: str, literal: bool, cursor: int) -> RedactedLine:
    content = line.rstrip("\r\n")
    if not content.strip():
        return RedactedLine(line, (), PLAIN if state in _WAITING else state)
    spans, state = _spans(content, state, literal, cursor)
    if not spans:
        return RedactedLine(line, (), state)
    parts: list[str] = []
    placeholders: list[str] = []
    position = 0
    for start, end in _merged(spans):
        placeholders.append("".join(map(_char_like, line[start:end])))
        parts += [line[position:start], placeholders[-1]]
        position = end
    return RedactedLine("".join(parts) + line[position:], tuple(placeholders), state)


@lru_cache(maxsize=65536)
def _remembered(line: str, state: str, literal: bool) -> RedactedLine:
    """All lines but the last are the same from keystroke to keystroke."""
    return _redact_line(line, state, literal, -1)


def _spans(line: str, state: str, literal: bool, cursor: int) -> tuple[list[Span], str]:
    """What is secret in a line: bodies of keys, and what is found between them."""
    spans: list[Span] = []
    at = 0
    while state in (PRIVATE, PUBLIC) or (head := _head(line, at)) is not None:
        if state not in (PRIVATE, PUBLIC):
            assert head is not None
            spans += _moved(_ordinary(line[at : head.start()], state, literal, cursor - at)[0], at)
            at, state = head.end(), PRIVATE if _SECRET_HEAD.search(head[0]) else PUBLIC
        end = line.find("-----END", at)
        if end < 0:
            if at or _BODY_LINE.fullmatch(line, 0, 512):
                return spans + (_bodies(line, at, len(line)) if state == PRIVATE else []), state
            state = PLAIN
            continue
        spans += _bodies(line, at, end) if state == PRIVATE else []
        at, state = _behind_end(line, end), PLAIN
    more, state = _ordinary(line[at:], state, literal, cursor - at)
    return spans + _moved(more, at), state


def _head(line: str, at: int) -> re.Match[str] | None:
    return _HEAD.search(line, at) if "-----BEGIN" in line or "PuTTY" in line else None


def _behind_end(line: str, end: int) -> int:
    close = line.find("-----", end + 8)
    return close + 5 if 0 <= close <= end + 80 else end + 8


def _moved(spans: list[Span], by: int) -> list[Span]:
    return [(start + by, end + by) for start, end in spans]


def _bodies(line: str, start: int, end: int) -> list[Span]:
    return [match.span() for match in _BODY.finditer(line, start, end) if match[0][0] != "\\"]


def _ordinary(line: str, state: str, literal: bool, cursor: int) -> tuple[list[Span], str]:
    spans: list[Span] = []
    waits: Level | None = None
    for start in range(0, max(len(line), 1), _LONG):
        first = max(0, start - _OVERLAP)
        part = line[first : start + _LONG + _OVERLAP]
        scan = LineScan(part, literal, max(-1, cursor - first))
        spans += _moved(scan.spans(), first)
        waits = scan.waits
    spans += _expected(line, state, literal, cursor)
    return spans, _state_behind(line, state, waits)


def _expected(line: str, state: str, literal: bool, cursor: int) -> list[Span]:
    """What the line before has announced."""
    if state in _WAITING:
        value = _NEXT.match(line)
        quoted = value is not None and bool(value[1])
        if value is not None and (literal or quoted or "<" in line[: value.start(2)]):
            start, end = value.span(2)
            open_end = start <= cursor <= end
            if is_secret(value[2], _WAITING[state], literal=literal, open_end=open_end):
                return [(start, end)]
    elif state == DATA and (value := _DATA.match(line)) is not None:
        return [value.span(1)]
    return []


def _state_behind(line: str, state: str, waits: Level | None) -> str:
    if state in (MANIFEST, DATA) and line[0] not in " \t":
        state = DATA if line.startswith(("data:", "stringData:")) else MANIFEST if line != "---" else PLAIN
    if kind := _KIND.match(line):
        return MANIFEST if kind[1] == "Secret" else PLAIN
    if state in (MANIFEST, DATA):
        return state
    if waits is not None:
        return f"waits {waits.name}"
    if state in _WAITING and _ABOUT_VARIABLE.match(line):
        return state
    item = (_ITEM.fullmatch(line) or _VARIABLE.fullmatch(line)) if len(line) <= 200 else None
    name = NAMES.search(item[item.lastindex or 1]) if item is not None else None
    if name is not None:
        return f"waits {(Level.PASSWORD if name.lastgroup == 'password' else Level.SECRET).name}"
    return PLAIN


def _char_like(char: str) -> str:
    if char.isdigit():
        return "0"
    if char.isalpha():
        return "X" if char.isupper() else "x"
    return char


def _merged(spans: list[Span]) -> list[Span]:
    """Spans in order, those that overlap made one."""
    kept: list[Span] = []
    for start, end in sorted(spans):
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        elif start < end:
            kept.append((start, end))
    return kept


def encodable(string: str) -> str:
    """The string without lone surrogates, which JSON lets in and UTF-8 does not."""
    return string.encode("utf-8", "replace").decode("utf-8")
