"""Finds secrets that calls, statements and tables give away: `login("bob", "…")`, an INSERT of a password. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aix_lsp.privacy.judgement import Level, is_secret
from aix_lsp.privacy.scanned_line import MOST_NAMES, ScannedLine, Span
from aix_lsp.privacy.secret_kinds import CALLEES, NAMES
from aix_lsp.privacy.telling_words import Evidence, is_about, is_whole

_PAIR = re.compile(
    r"(?:auth|login|credentials?|basicauth|userpass\w{0,12})[ \t]{0,4}[=:(\[]{0,3}[ \t]{0,4}[(\[]?[ \t]{0,4}"
    r"[A-Za-z]{0,2}[\"'][^\"'\n]{0,128}[\"'][ \t]{0,4},[ \t]{0,4}[A-Za-z]{0,2}([\"'])",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"(?<![A-Za-z0-9])(?:" + "|".join(sorted(map(re.escape, CALLEES), key=len, reverse=True)) + r")"
    r"(?:[ \t]{0,2}\(|,[ \t]{0,4}(?=[\"']))",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"\bBuffer\.from\([\"'][\w.@-]{1,64}:([^\"'/ ]{3,256})")
_STRING = re.compile(r"[A-Za-z]{0,2}(\\?)([\"'`])")
_COLON = re.compile(r"[\w.@-]{1,64}:(.{3,256})")
_MOST_STRINGS = 6
_TOCHARARRAY = re.compile(r"[\"']([^\"']{3,256})[\"']\.toCharArray\(\)")
_BEFORE_NAME = re.compile(
    r"""([\"'])((?:(?!\1)[^\\\n]){3,64})\1\)?(?:
        [ \t]{0,4}(?:===?|!==?|\.equals(?:IgnoreCase)?\(|\.compareTo\()[ \t]{0,4}[\w.$>-]{0,64}
      | [ \t]{0,4}\)[ \t]{0,4}(?:[\w.<>]{1,40}[ \t]{1,4}){1,2}
      | [ \t]{1,8}(?:[\w:-]{1,40}=[\"'][^\"'<>]{0,80}[\"'][ \t]{1,8}){0,3}
        (?:key|name|id|property)[ \t]{0,2}=[ \t]{0,2}[\"'][\w.:-]{0,64}
    )""",
    re.VERBOSE,
)
_IN_ROW = re.compile(r"[ \t`*_:]{0,8}\|[ \t`*_]{0,8}([^\s|`]{4,128})(?=[ \t`*_]{0,8}(?:\||$))")
"""The table cell after one that names a secret."""
_UNPACKED = re.compile(
    r"(?:[ \t]{0,4},[ \t]{0,4}[\w$]{1,40}){0,4}[ \t]{0,4}[\])]?[ \t]{0,4}:?=[ \t]{0,4}[\[(]?[ \t]{0,4}"
    r"(?=[A-Za-z]?[\"'`])"
)
_UNPACKED_BELOW = re.compile(
    r"[^=\"']{0,40}?((?:[\w$.]{1,40}[ \t]{0,4},[ \t]{0,4}){1,6}[\w$.]{1,40})[ \t]{0,4}[\])]?[ \t]{0,4}=[ \t]{0,4}[(\[]"
)
_SAID = re.compile(
    r"""(?:(?:log[ ]?in|credentials?|creds|user(?:name)?|sign[ ]in)\b
        [^\n]{0,24}?[ :`][\w.@-]{1,40}`?[ \t]{0,2}[/:][ \t]{0,2}`?
      | \bwith[ ](?:the[ ])?password[ \t]{1,2}[\"'`]? | \buse[ ][\w.@-]{1,40}:
    )([^\s\"'`,;|]{6,64})""",
    re.VERBOSE | re.IGNORECASE,
)
_IS_COMMENT = re.compile(r"[ \t]*(?:#|//|/?\*|--|;|<!--|\"\"\")|.*[ \t](?:#|//)[ \t]")
_LISTED = re.compile(r"[\w$][ \t]{0,4},[ \t]{0,4}[\w$]{0,40}$")
_INSERT = re.compile(r"\binsert\s{1,4}into\b[^()]{1,120}\(([^()]{1,400})\)", re.IGNORECASE)
_QUOTED = re.compile(r"'((?:[^'\\]|\\.|''){1,256})'")


def calls(line: ScannedLine) -> Iterator[Span]:
    """The secrets among the arguments of calls that take them, and those that precede their name."""
    text, evidence = line.text, line.evidence
    if evidence & Evidence.SAID and (line.prose or _IS_COMMENT.match(text)):
        yield from _said(line)
    if (
        line.prose
        and evidence & Evidence.NAME
        and text.lstrip().startswith("|")
        and len(line.names) <= MOST_NAMES
    ):
        yield from _in_row(line)
    if not ('"' in text or "'" in text or "`" in text):
        return
    if evidence & Evidence.PAIR:
        for match in _PAIR.finditer(text):
            start, end, closed = line.string(match.end(), match[1])
            yield from line.secret(start, end, Level.PASSWORD, closed=closed)
    if evidence & Evidence.CALL:
        for call in _CALL.finditer(text):
            yield from _arguments(line, call.end())
    if "Buffer.from" in text:
        for match in _ENCODED.finditer(text):
            yield from line.secret(*match.span(1), Level.PASSWORD)
    if "toCharArray" in text:
        for match in _TOCHARARRAY.finditer(text):
            yield from line.secret(*match.span(1), Level.PASSWORD)
    if evidence & Evidence.NAME and len(line.names) <= MOST_NAMES:
        yield from _before_names(line)
        yield from _unpacked(line)
    if "insert" in line.lower:
        yield from _inserted(line)


def _said(line: ScannedLine) -> Iterator[Span]:
    """`log in as admin / …`, in comments and prose."""
    for said in _SAID.finditer(line.text):
        start, end = said.start(1), said.start(1) + len(said[1].rstrip(".:)"))
        value, typed = line.text[start:end], line.is_typed(*said.span(1))
        if "/" in value or not (looks_chosen(value) or typed):
            continue
        if is_secret(value, Level.SECRET, open_end=typed):
            yield start, end


def _in_row(line: ScannedLine) -> Iterator[Span]:
    """`| password | … |`"""
    for name in line.names:
        cell = _IN_ROW.match(line.text, name.end())
        if cell is None or name.lastgroup not in ("password", "secret"):
            continue
        if looks_chosen(cell[1]) or line.is_typed(*cell.span(1)):
            yield from line.secret(*cell.span(1), Level.PASSWORD)


def _arguments(line: ScannedLine, at: int) -> Iterator[Span]:
    """The strings of a call that look like passwords."""
    text, count, limit = line.text, 0, min(len(line.text), at + 400)
    while at < limit and count < _MOST_STRINGS:
        opening = _STRING.search(text, at, limit)
        if opening is None or ";" in text[at : opening.start()] or ":" in text[at : opening.start()]:
            return
        start, end, closed = line.string(opening.end(), opening[1] + opening[2])
        count, at = count + 1, end + 1
        value = text[start:end]
        if (pair := _COLON.fullmatch(value)) is not None and "/" not in value:
            start, value = start + pair.start(1), pair[1]
        if text[at:].lstrip().startswith((":", "=>")) or value.startswith(("/", "http")):
            continue
        level = Level.PASSWORD if looks_chosen(value) or line.is_typed(start, end) else Level.SECRET
        typed = line.is_open(start, end, closed) and (len(value) >= 8 or any(map(str.isdigit, value)))
        if is_secret(value, level, open_end=typed):
            yield start, end


def looks_chosen(value: str) -> bool:
    """Whether a string looks like a password that a person chose: one word of letters and digits."""
    letters, digits = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    return letters and digits and 6 <= len(value) <= 64 and " " not in value


def _before_names(line: ScannedLine) -> Iterator[Span]:
    for match in _BEFORE_NAME.finditer(line.text):
        names = NAMES.finditer(line.text, match.end(2) + 1, match.end() + 40)
        name = next((it for it in names if it.lastgroup != "key" and it.start() <= match.end() + 24), None)
        if name is None or is_about(line.text[name.end() : name.end() + 16].split("(")[0]):
            continue
        level = Level.PASSWORD if name.lastgroup == "password" else Level.SECRET
        yield from line.secret(*match.span(2), level)


def _unpacked(line: ScannedLine) -> Iterator[Span]:
    """`user, password = "bob", "…"`"""
    if "," not in line.text or "=" not in line.text:
        return
    for name in line.names:
        match = _UNPACKED.match(line.text, name.end())
        if match is None or name.lastgroup == "key":
            continue
        if "," in match[0] or _LISTED.search(line.text[: name.end()][-90:]):
            yield from _arguments(line, match.end())


def _inserted(line: ScannedLine) -> Iterator[Span]:
    """The strings of an SQL statement that writes to a column of passwords."""
    for match in _INSERT.finditer(line.text):
        name = NAMES.search(match[1])
        if name is not None and name.lastgroup == "password":
            yield from sql_strings(line, match.end())


def sql_strings(line: ScannedLine, at: int) -> Iterator[Span]:
    """The strings of a row that look like passwords."""
    for match in _QUOTED.finditer(line.text, at):
        if looks_chosen(match[1]) or line.is_typed(*match.span(1)):
            yield from line.secret(*match.span(1), Level.PASSWORD)


def columns(line: ScannedLine) -> str:
    """The state after a statement's or table's header if its rows contain passwords; otherwise empty."""
    insert = _INSERT.search(line.text) if "insert" in line.lower else None
    if insert is not None and ";" not in line.text and (name := NAMES.search(insert[1])):
        return "rows" if name.lastgroup == "password" else ""
    text = line.text.strip()
    separator = "|" if text.startswith("|") else next((it for it in ",;\t" if it in text), ",")
    if text.count(separator) < (2 if separator == "|" else 1) or (separator != "|" and not line.prose):
        return ""
    for number, cell in enumerate(text.split(separator)):
        cell = cell.strip(" \t*_`\"'").lower()
        name = NAMES.fullmatch(cell)
        if name is not None and name.lastgroup in ("password", "secret") and is_whole(cell, ""):
            return f"column {number} {separator}"
    return ""


def in_columns(line: ScannedLine, state: str) -> Iterator[Span]:
    """The secrets in a table's row."""
    if state == "rows":
        yield from sql_strings(line, 0)
        return
    _, number, separator = state.split(" ")
    indent = len(line.text) - len(line.text.lstrip())
    at = indent
    for count, cell in enumerate(line.text[indent:].split(separator)):
        value = cell.strip(" \t*_`\"'")
        start = at + cell.find(value)
        if count == int(number) and value:
            open_end = line.is_typed(start, at + len(cell))
            if is_secret(value, Level.PASSWORD, open_end=open_end):
                yield start, start + len(value)
        at += len(cell) + 1


def goes_on(line: ScannedLine, state: str) -> bool:
    """Whether the table continues after this row."""
    if state == "rows":
        return ";" not in line.text
    return state[-1] in line.text


def opens_call(line: ScannedLine) -> bool:
    """Whether the line opens a call that takes a password, with its arguments on the next lines."""
    text = line.text.rstrip()
    if not text.endswith(("(", "[")):
        return False
    call = _CALL.search(text, max(0, len(text) - 60))
    if call is not None and call.end() == len(text):
        return True
    unpacked = _UNPACKED_BELOW.fullmatch(text)
    return unpacked is not None and any(name.lastgroup == "password" for name in NAMES.finditer(unpacked[1]))
