"""Carries over from line to line what is to come: a name's value, a table's rows, a Kubernetes secret's data. Pure.

A state is a string, so that it can be part of a cache key: a kind, and for awaited values the level of their name and
the indentation of its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aix_lsp.privacy import command_lines, credential_calls
from aix_lsp.privacy.judgement import Level
from aix_lsp.privacy.named_values import LEVELS
from aix_lsp.privacy.scanned_line import ScannedLine, Span
from aix_lsp.privacy.secret_kinds import NAMES
from aix_lsp.privacy.telling_words import is_about

PLAIN, MANIFEST, DATA, SECTION = "", "manifest", "data", "section"
_VALUE, _MORE, _MAP, _TEXT, _ITEM, _CALL = "value", "more", "map", "text", "item", "call"
_AWAITED = (_VALUE, _MORE, _MAP, _TEXT, _ITEM, _CALL)

_ITEM_NAME = re.compile(
    r"""[ \t]*(?:-[ \t]+)?["']?(?:name|key|field|label)["']?[ \t]*[:=][ \t]*["']?([\w.-]{2,80})["']?,?[ \t]*"""
    r"""|[ \t]*<key>([\w.-]{2,80})</key>[ \t]*|[ \t]*(?:variable|output)[ \t]+"([\w-]{2,80})"[ \t]*\{[ \t]*""",
    re.IGNORECASE,
)
_ITEM_VALUE = re.compile(
    r"""[ \t]*["']?(?:value|default|content)["']?[ \t]*[:=][ \t]*(["'`]?)(.{2,512}?)(?:\1[ \t]*,?[ \t]*\}?)?[ \t]*$"""
    r"""|[ \t]*()<string>([^<]{2,512})""",
    re.IGNORECASE,
)
_WHOLE = re.compile(r"[ \t]*(?:[-:][ \t]+)?([^\s\"'`<>]{2,512}?)[ \t]*[,)\]}]?[ \t]*$")
_TEXT_LINE = re.compile(
    r"""[ \t]*(?::[ \t]+)?(?:<!\[CDATA\[|<[\w:.-]{1,40}>)?(.{2,512}?)
    (?:</.*|\]\]>.*|\"{3}.*|'{3}.*|`[;,)]*|['"]@.*|\]\].*|[ \t]*)$""",
    re.VERBOSE,
)
_STRINGS = re.compile(r"(?<![\w\"'`])[A-Za-z@$&]{0,3}(\\?)(\"\"\"|'''|[\"'`])")
_NAME_OF_WHAT_FOLLOWS = re.compile(r"[ \t]{0,4}(?::|=>)")
_SKIPPED = re.compile(
    r"[ \t]*(?:[(\[{]*|#.*|//.*|/?\*.*|--.*|<!--.*|VALUES?|[rbf]?\"\"\"\\?|\\)[ \t]*", re.IGNORECASE
)
_KIND = re.compile(r"kind:[ \t]*[\"']?(\w+)")
_DATA = re.compile(r"[ \t]+[\"']?[\w.-]+[\"']?:[ \t]*[\"']?([^\s\"']{4,})")
_SECTION = re.compile(
    r"\[+[ \t]*[\w.\"-]{0,40}(?:secrets?|credentials?|passwords?|tokens?)[\"\]]*[ \t]*", re.IGNORECASE
)
_SETTING = re.compile(r"[ \t]*[\"']?[\w.-]{1,80}[\"']?[ \t]*[:=][ \t]*(?:([\"'])|())([^\s\"']{4,512})")
_ALONE = re.compile(r"[ \t]*(?:\?[ \t]+)?[\"']?([\w-]{2,40})[\"']?[ \t]*")
_PLAIN_SIGNS = re.compile(r"[\w.!#%*?+^&$~@:/=-]+")
"""In a mapping, regular expressions and format strings are not secrets."""
_MOST_STRINGS = 8


def expected(line: ScannedLine, state: str) -> list[Span]:
    """The secrets that the previous line announced."""
    if not state:
        return []
    if state in (command_lines.NEXT_CREDENTIALS, command_lines.NEXT_ARGUMENT):
        return [*command_lines.continued(line, state)]
    if state == DATA:
        return [value.span(1)] if (value := _DATA.match(line.text)) else []
    if state == SECTION:
        return [*_setting(line)]
    if state.startswith(("rows", "column ")):
        return [*credential_calls.in_columns(line, state)]
    kind, level, _ = _read(state) if state.startswith(_AWAITED) else ("", Level.NONE, 0)
    if not kind:
        return []
    if kind == _ITEM:
        return [*_item(line, level)]
    if kind == _TEXT:
        return [*_text(line, level)]
    return [*_values(line, kind, level)]


def _read(state: str) -> tuple[str, Level, int]:
    kind, level, indent = state.split(" ")
    return kind, Level[level], int(indent)


def _setting(line: ScannedLine) -> Iterator[Span]:
    value = _SETTING.match(line.text)
    if value is not None:
        chosen = credential_calls.looks_chosen(value[3]) or line.is_typed(*value.span(3))
        level = Level.PASSWORD if chosen else Level.SECRET
        yield from line.secret(*value.span(3), level)


def _item(line: ScannedLine, level: Level) -> Iterator[Span]:
    value = _ITEM_VALUE.match(line.text)
    if value is not None:
        yield from line.secret(*value.span(2 if value[2] else 4), level, literal=line.literal)


def _text(line: ScannedLine, level: Level) -> Iterator[Span]:
    value = _TEXT_LINE.match(line.text)
    if value is not None and not NAMES.match(value[1]):
        yield from line.secret(*value.span(1), level, literal=True)


def _values(line: ScannedLine, kind: str, level: Level) -> Iterator[Span]:
    level = min(level, Level.SECRET) if kind == _MAP else level
    if line.literal and (default := _ITEM_VALUE.match(line.text)) and default[2]:
        yield from line.secret(*default.span(2), level, literal=True)
        return
    found, at = 0, 0
    while found < _MOST_STRINGS and (opening := _STRINGS.search(line.text, at)) is not None:
        start, end, _ = line.string(opening.end(), opening[1] + opening[2])
        found, at = found + 1, end + 1
        if _NAME_OF_WHAT_FOLLOWS.match(line.text, at):
            continue
        value = line.text[start:end]
        typed = line.is_typed(start, end) and len(value) >= 6
        if kind == _CALL and not typed and not credential_calls.looks_chosen(value):
            continue
        if kind == _MAP and not _PLAIN_SIGNS.fullmatch(value) and not line.is_typed(start, end):
            continue
        yield from line.secret(start, end, level)
    whole = _WHOLE.match(line.text) if line.literal and not found else None
    if whole is not None and not whole[1].endswith((":", "=")) and (":" not in whole[1] or kind == _VALUE):
        yield from line.secret(*whole.span(1), level, literal=kind == _VALUE)
    elif whole is not None and (  # chpasswd's user:password
        line.is_typed(*whole.span(1)) or credential_calls.looks_chosen(whole[1].rpartition(":")[2])
    ):
        yield from line.secret(whole.start(1) + whole[1].rfind(":") + 1, whole.end(1), level)


def behind(line: ScannedLine, state: str) -> str:
    """The state after a line that is not part of a key's body."""
    text = line.text
    indent = len(text) - len(text.lstrip(" \t"))
    if kind := _KIND.match(text):
        return MANIFEST if kind[1] == "Secret" else PLAIN
    if state in (MANIFEST, DATA):
        if indent:
            return state
        return DATA if text.startswith(("data:", "stringData:")) else MANIFEST if text != "---" else PLAIN
    if _SECTION.fullmatch(text) or (state == SECTION and not text.startswith("[")):
        return SECTION
    if goes_on := command_lines.goes_on(line):
        return goes_on
    if announced := _announced(line, indent):
        return announced
    if state.startswith(("rows", "column ")):
        return state if credential_calls.goes_on(line, state) else PLAIN
    return _kept(line, state, indent) if state.startswith(_AWAITED) else PLAIN


def _announced(line: ScannedLine, indent: int) -> str:
    """The state that a line introduces."""
    if (
        "<key>" in line.text
        and (item := _ITEM_NAME.fullmatch(line.text))
        and (level := _level(item[2] or ""))
    ):
        return f"{_ITEM} {level.name} {indent}"
    if line.waits is not None:
        return f"{line.waits_for} {line.waits.name} {indent}"
    if credential_calls.opens_call(line):
        return f"{_CALL} PASSWORD {indent}"
    if len(line.text) > 400:
        return PLAIN
    if table := credential_calls.columns(line):
        return table
    item = _ITEM_NAME.fullmatch(line.text)
    if item is not None and (level := _level(item[item.lastindex or 1])):
        return f"{_ITEM} {level.name} {indent}"
    alone = _ALONE.fullmatch(line.text)
    if alone is not None and (line.literal or line.prose) and NAMES.fullmatch(alone[1]):
        return f"{_TEXT} {Level.SECRET.name if _level(alone[1]) is Level.SECRET else Level.PASSWORD.name} {indent}"
    return PLAIN


def _level(name: str) -> Level | None:
    match = NAMES.search(name)
    if match is None or is_about(name[match.end() :]):
        return None
    return LEVELS[match.lastgroup or ""]


def _kept(line: ScannedLine, state: str, indent: int) -> str:
    """What becomes of a state after a line that introduced no other."""
    kind, level, first = _read(state)
    if _SKIPPED.fullmatch(line.text):
        return state
    if kind == _ITEM:
        ends = (
            indent < first or line.text.lstrip().startswith(("- ", "}", "{")) or _ITEM_VALUE.match(line.text)
        )
        return PLAIN if ends else state
    if kind == _TEXT or indent <= first:
        return PLAIN
    return f"{_MORE if kind == _VALUE else kind} {level.name} {first}"
