"""Finds keys and passwords pasted into ordinary files, and replaces them by placeholders.

Never applied to what the user sees. A placeholder has its secret's length and kinds of characters, so that positions
stay valid and the model sees the same shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from aix_lsp.privacy import command_lines, credential_calls, key_shapes, line_states, named_values
from aix_lsp.privacy.command_lines import NEXT_ARGUMENT, NEXT_CREDENTIALS
from aix_lsp.privacy.line_states import PLAIN
from aix_lsp.privacy.scanned_line import ScannedLine, Span, Style
from aix_lsp.privacy.telling_words import is_plain

_LITERAL_LANGUAGES = """
yaml yml dockercompose dotenv env properties ini toml dockerfile containerfile shellscript shell sh bash zsh fish
bat makefile conf cfg config nginx apacheconf editorconfig helm ansible terraform-vars github-actions-workflow
csh systemd desktop netrc log http rest hurl
"""
_PROSE_LANGUAGES = (
    "markdown md mdx plaintext text txt restructuredtext rst asciidoc adoc org csv tsv mail eml"
)
_STYLES = dict.fromkeys(_LITERAL_LANGUAGES.split(), Style.LITERAL) | dict.fromkeys(
    _PROSE_LANGUAGES.split(), Style.PROSE
)
"""By language id and file extension."""
_LONG = 4096
_OVERLAP = 1024
LONGEST_LINE = 16_384
"""Characters. The slowest texts take 2 µs a character, and a line is searched in one go."""
_CACHED = 1024
_HEAD = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{0,60})-----|PuTTY-User-Key-File-\d|-----BEGIN PGP (PRIVATE KEY BLOCK)-----"
    r"|\$ANSIBLE_VAULT;[\d.]{1,8};[\w;]{1,64}"
)
_HEADS = ("-----BEGIN", "PuTTY", "$ANSIBLE")
_SECRET_HEAD = re.compile(r"PRIVATE|SECRET|PuTTY|OPENSSH KEY|ENCRYPTED|VAULT")
_BODY = re.compile(r"\\[nrt]|[A-Za-z0-9+/=]{4,}")
_BODY_LINE = re.compile(
    r"""[ \t"'`+,;#*/|\\>.&()-]*(?:[rnbf]?["'])?(?:(?:\\[nr])?[A-Za-z0-9+/=]{1,100}(?:\\[nr])*["'`+,;\\ \t)&.|]*)?"""
    r"""|[ \t"'#*/]*[A-Z][A-Za-z-]+:[ ].*|[ \t"'#*/]*=[A-Za-z0-9+/]{4}["'\\nr,;+ \t]*"""
)
_MAIL_HEAD = re.compile(r"Content-Transfer-Encoding:[ \t]*base64[ \t]*", re.IGNORECASE)
_MAIL_LINE = re.compile(r"Content-[\w-]{1,40}:.*|[ \t]+\w{1,20}=.*|[A-Za-z0-9+/=]{1,80}", re.IGNORECASE)
MAIL = "mail"
"""The state in an encoded part of a mail: attachments, which look like random characters throughout."""
PRIVATE, PUBLIC = "private", "public"
"""The states in the body of a private key or of a public one; line_states has the others."""


class Redacted(NamedTuple):
    """A text with its secrets replaced, and the placeholders used."""

    text: str
    placeholders: tuple[str, ...]


class RedactedLine(NamedTuple):
    """A line with its secrets replaced, and the state after it."""

    text: str
    placeholders: tuple[str, ...]
    state: str
    secrets: tuple[str, ...] = ()


def style_of(language: str) -> Style:
    """How values are written in a language (LSP id or file extension)."""
    return _STYLES.get(language.lower(), Style.QUOTED)


def redact(text: str, language: str = "") -> Redacted:
    """Replace the secrets in a text; its length and line endings stay the same."""
    lines, placeholders, _ = redact_lines(text.split("\n"), PLAIN, style_of(language))
    return Redacted("\n".join(lines), placeholders) if placeholders else Redacted(text, ())


def redact_lines(
    lines: Iterable[str], state: str, style: Style
) -> tuple[Sequence[str], tuple[str, ...], str]:
    """Lines with their secrets replaced, the placeholders used, and the state after the last line."""
    found: list[str] = []
    placeholders: list[str] = []
    for line in lines:
        redacted = redact_line(line, state, style)
        found.append(redacted.text)
        placeholders += redacted.placeholders
        state = redacted.state
    return found, tuple(dict.fromkeys(placeholders)), state


def redact_line(line: str, state: str, style: Style, cursor: int = -1) -> RedactedLine:
    """One line, with or without its line ending. `cursor` is the column where the user is typing, or -1."""
    if len(line) > LONGEST_LINE:
        return _part_of_line(line, state, style, cursor)
    if cursor < 0 and len(line) <= _CACHED:
        return _remembered(line, state, style)
    return _redact_line(line, state, style, cursor)


def _part_of_line(line: str, state: str, style: Style, cursor: int) -> RedactedLine:
    """A line too long to search, such as minified code or data: only the text around the cursor, if that is in it.

    The rest is blank, and the state after it is unknown; a private key's body continues on the next line.
    """
    content = line.rstrip("\r\n")
    ending = line[len(content) :]
    if cursor < 0:
        return RedactedLine(ending, (), state)
    first, behind = max(0, cursor - LONGEST_LINE // 2), cursor + LONGEST_LINE // 2
    part = _redact_line(content[first:behind], state, style, cursor - first)
    # A secret cut by the part's edge may not be recognisable.
    start, end = _OVERLAP if first else 0, len(part.text) - (_OVERLAP if behind < len(content) else 0)
    text = " " * (first + start) + part.text[start:end] + " " * (len(content) - first - end) + ending
    return RedactedLine(text, part.placeholders, part.state, part.secrets)


def _redact_line(line: str, state: str, style: Style, cursor: int) -> RedactedLine:
    content = line.rstrip("\r\n")
    if not content.strip():
        return RedactedLine(line, (), state)
    if state == PLAIN and cursor < 0 and is_plain(content):
        return RedactedLine(line, (), state)
    if _MAIL_HEAD.fullmatch(content) or (state == MAIL and _MAIL_LINE.fullmatch(content)):
        return RedactedLine(line, (), MAIL)
    state = PLAIN if state == MAIL else state
    spans, state = spans_of(content, state, style, cursor)
    if not spans:
        return RedactedLine(line, (), state)
    parts: list[str] = []
    placeholders: list[str] = []
    secrets: list[str] = []
    position = 0
    for start, end in _merged(spans):
        secrets.append(line[start:end])
        placeholders.append("".join(map(char_like, line[start:end])))
        parts += [line[position:start], placeholders[-1]]
        position = end
    return RedactedLine("".join(parts) + line[position:], tuple(placeholders), state, tuple(secrets))


@lru_cache(maxsize=16384)
def _remembered(line: str, state: str, style: Style) -> RedactedLine:
    """Cached, since all lines but the one being typed are the same from keystroke to keystroke."""
    return _redact_line(line, state, style, -1)


def spans_of(line: str, state: str, style: Style, cursor: int = -1) -> tuple[list[Span], str]:
    """The secrets in a line (bodies of keys, and any secrets between them), and the state after it."""
    spans: list[Span] = []
    at = 0
    while state in (PRIVATE, PUBLIC) or (head := _head(line, at)) is not None:
        if state not in (PRIVATE, PUBLIC):
            assert head is not None
            spans += _moved(_ordinary(line[at : head.start()], state, style, cursor - at)[0], at)
            at, state = head.end(), PRIVATE if _SECRET_HEAD.search(head[0]) else PUBLIC
        end = line.find("-----END", at)
        if end < 0:
            if at or _BODY_LINE.fullmatch(line, 0, 512):
                return spans + (_bodies(line, at, len(line)) if state == PRIVATE else []), state
            state = PLAIN
            continue
        spans += _bodies(line, at, end) if state == PRIVATE else []
        at, state = _behind_end(line, end), PLAIN
    more, state = _ordinary(line[at:], state, style, cursor - at)
    return spans + _moved(more, at), state


def _head(line: str, at: int) -> re.Match[str] | None:
    return _HEAD.search(line, at) if any(start in line for start in _HEADS) else None


def _behind_end(line: str, end: int) -> int:
    close = line.find("-----", end + 8)
    return close + 5 if 0 <= close <= end + 80 else end + 8


def _moved(spans: list[Span], by: int) -> list[Span]:
    return [(start + by, end + by) for start, end in spans]


def _bodies(line: str, start: int, end: int) -> list[Span]:
    return [match.span() for match in _BODY.finditer(line, start, end) if match[0][0] != "\\"]


def _ordinary(line: str, state: str, style: Style, cursor: int) -> tuple[list[Span], str]:
    spans: list[Span] = []
    command = state in (NEXT_ARGUMENT, NEXT_CREDENTIALS)
    for start in range(0, max(len(line), 1), _LONG):
        first = max(0, start - _OVERLAP)
        part = line[first : start + _LONG + _OVERLAP]
        scanned = ScannedLine(part, style, max(-1, cursor - first), command)
        spans += _moved(secrets_in(scanned), first)
    if len(line) <= _LONG:
        whole = scanned
    else:
        whole = ScannedLine(line, style, cursor, command)
        whole.waits, whole.waits_for = scanned.waits, scanned.waits_for
    spans += line_states.expected(whole, state)
    return spans, line_states.behind(whole, state)


def char_like(char: str) -> str:
    """The placeholder for a character of a secret."""
    if char.isdigit():
        return "0"
    if char.isalpha():
        return "X" if char.isupper() else "x"
    return char


def _merged(spans: list[Span]) -> list[Span]:
    """Sorted spans, overlapping ones merged."""
    kept: list[Span] = []
    for start, end in sorted(spans):
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        elif start < end:
            kept.append((start, end))
    return kept


def encodable(string: str) -> str:
    """The string without lone surrogates, which JSON allows and UTF-8 does not."""
    return string.encode("utf-8", "replace").decode("utf-8")


def secrets_in(line: ScannedLine) -> list[Span]:
    """Every secret in a line, of all kinds. Keys of a known format win over what overlaps them; their prefix is no part
    of the span.
    """
    known = list(key_shapes.known(line))
    found: list[Span] = [
        *named_values.named(line),
        *credential_calls.calls(line),
        *command_lines.credentials(line),
        *key_shapes.without_name(line),
    ]
    for begin, start, end in known:
        found = list(_without(found, begin, end))
        found.append((start, end))
    return found


def _without(spans: list[Span], begin: int, stop: int) -> Iterator[Span]:
    """What remains of spans outside a more certain one."""
    for start, end in spans:
        if end <= begin or stop <= start:
            yield start, end
            continue
        if start < begin:
            yield start, begin
        if stop < end:
            yield stop, end
