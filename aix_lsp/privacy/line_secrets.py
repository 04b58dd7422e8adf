"""The secrets in one line: keys of a known format, values with a telling name, random strings. Pure.

Every expression is bounded or consumes what it looks at, so that time grows with the line's length only.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property

from aix_lsp.privacy.judgement import Level, is_random, is_secret
from aix_lsp.privacy.randomness import kinds, word_share
from aix_lsp.privacy.secret_kinds import (
    BY_SHAPE,
    BY_START,
    JWT,
    NAMES,
    NOT_A_VALUE,
    SITES,
    STEMS,
    UNFINISHED,
    VENDOR,
    WEBHOOK,
)

Span = tuple[int, int]

_TOKEN = re.compile(r"(?<=\\)[nrtbf]|[A-Za-z0-9_][\w.~-]{6,}")
_BARE = re.compile(r"(?<![\w+/=~.-])(?:(?<=\\)[nrt])?([A-Za-z0-9_+/][\w+/=.~-]{11,})")
_TWILIO = re.compile(r"(?:SK|AC)([0-9a-f]{4,32})(?!\w)")
_LONG = re.compile(r"[\w=-]{12,}")
_URL = re.compile(r"://([^\s:/@'\"`<>?#]{0,128})(?::([^\s@'\"`<>]{1,256}))?@")
_OPEN_TOKEN = re.compile(r"://([\w-]{6,256})(?=$|[\"'`\s])")
_OPEN_URL = re.compile(r"://([\w.%+-]{0,64}):([^\s@'\"`/<>{}$]{2,256})(?=$|[\"'`\s])")
_SCHEME = re.compile(
    r"\b(bearer|basic|token|apikey|api-key|digest|negotiate)[ \t]{1,4}([\w.~+/=-]{4,1024})", re.IGNORECASE
)
_USER = re.compile(
    r"(?:^|[\s\"'])(?:-u|--user|--proxy-user|-U|--basic-auth)[ \t=]{0,4}[\"']?([^\s:'\"]{1,128}):([^\s'\"]{2,256})"
)
_LOGIN = re.compile(r"\blogin\s{1,8}\S{1,128}\s{1,8}password\s{1,8}(\S{2,256})", re.IGNORECASE)
_PROGRAM = re.compile(
    r"\b(?:sshpass|mysql\w{0,8}|mariadb\w{0,8}|redis-cli|(?:docker|podman|helm|oc|az)\s+\w{0,10}\s?login|ldap\w{2,8}|zip|7z|smbclient"
    r"|htpasswd|x?freerdp|rdesktop|sqlcmd|bcp|keytool|openssl|curl|wget|http)\b"
)
_FLAG = re.compile(r"\s-(?:p|a|w|P|k|pass(?:in|out)?[ =]pass:)[ =]?[\"']?([^\s\"']{3,256})")
_FLAG_LIKE = re.compile(r"[\w.-]+(?:/[\w./-]*|:\d+|\.\w{1,4})|\d+(?::\d+)?|.{0,3}")
_PAIR = re.compile(
    r"(?:auth|login|credentials?|basicauth|userpass\w{0,12})[ \t]{0,4}[=:(\[]{0,3}[ \t]{0,4}[(\[]?[ \t]{0,4}"
    r"[A-Za-z]{0,2}[\"'][^\"'\n]{0,128}[\"'][ \t]{0,4},[ \t]{0,4}[A-Za-z]{0,2}([\"'])",
    re.IGNORECASE,
)
_REST = re.compile(r"[\w.-]{0,48}(?:\[\w{0,8}\])?")
_REST_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_CONNECTION = re.compile(
    r"""(?P<closed>\\?["'`])?[\])}]{0,2}(?:
        :[ \t]{0,4}[\w\[\]<>.,\ |&?*:]{1,60}?=[ \t]{0,8}(?=[A-Za-z@$&]{0,3}\\?["'`])
      | [ \t]{0,20}(?P<op>=>|:=|\?=|\|\|=|\?\?=?|===?|!==?|\+=|=|::?|<-|\|\||~>)[ \t]{0,40}
      | [ \t]{0,4}(?P<comma>,)[ \t]{0,20}(?:["']?value["']?[ \t]{0,4}[:=][ \t]{0,4})?
      | ["']?[ \t]{1,8}value[ \t]{0,4}=[ \t]{0,4}
      | (?P<tag>>)
      | [ \t]{0,4}\([ \t]{0,4}
      | (?P<verb>[ \t]{1,4}(?:is|was|equals|to)[ \t]{1,4})
      | [ \t]{1,20}(?=["'`])
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_OPENING = re.compile(r"[A-Za-z@$&]{0,3}#{0,3}(\\?)(\"\"\"|'''|[\"'`])")
_COMMA = re.compile(r"\\?[\"'`][ \t]{0,4},[ \t]{0,20}")
_MOST_ARGUMENTS = 4
_MOST_NAMES = 128
"""Of secrets in one part of a line; what has more is no code, and is replaced from there on."""
_FILLED = re.compile(r"[^\"'`;\n]{1,80}?[=(,:?|][ \t]{0,4}[A-Za-z@$&]{0,3}(?=[\"'`])")
_CALLED = re.compile(r"[\w\])]\([ \t]{0,4}[A-Za-z]{0,2}\\?[\"'`][\w.-]{0,64}$")
_INSIDE = re.compile(r"[^\s;&\"'`<>,\\]{1,512}")
_PLAIN = re.compile(r"[^\s\"'`,;(){}\[\]&<>]{1,512}")
_TO_THE_END = re.compile(r"(?:(?<![ \t])#|[^\s#;]).{0,1024}?(?=[ \t]+#|[ \t]*$)")
_FROM_THE_START = re.compile(
    r"[ \t]*(?:-[ \t]+|export[ \t]+|ENV[ \t]+|ARG[ \t]+|set(?:env|x)?[ \t]+(?:-\w+[ \t]+)?|\$env:)?"
    r"[\"']?[\w.:/-]*$",
    re.IGNORECASE,
)
_SET = re.compile(r"[ \t]*(?:ENV|ARG|setenv|setx|set[ \t]+-\w+|export)[ \t]+[\w.-]*$", re.IGNORECASE)
_OPTION = re.compile(r"(?:^|\s)--?[\w-]{0,32}$")
_COMMENT = re.compile(r"[ \t]*(?:#|//|--|;|\*|/\*|<!--|%|REM\b)|.*[ \t](?:#|//)[ \t]", re.IGNORECASE)
_QUOTES = re.compile(r"\\.|[\"'`]")
_LITERAL_OPS = frozenset(("=", ":", ":=", "=>", "?=", "::"))
_LEVELS = {"password": Level.PASSWORD, "secret": Level.SECRET, "vendor": Level.SECRET, "key": Level.KEY}


class LineScan:
    """One line, or a part of one, looked at."""

    def __init__(self, line: str, literal: bool, cursor: int = -1) -> None:
        """`literal`: values need no quotes in the file. `cursor`: a column where the user is typing, or -1."""
        self.line = line
        self.literal = literal
        self.cursor = cursor
        self.waits: Level | None = None
        """A name at the line's end whose value is to come on the next."""

    def spans(self) -> list[Span]:
        """Every secret, of those that are known by their shape without what is the same in all of a kind."""
        line, lower = self.line, self.line.lower()
        known = list(self._known())
        found: list[Span] = []
        if "://" in line:
            found += self._urls()
        if any(site in lower for site in SITES):
            found += _groups(WEBHOOK, line)
        if any(stem in lower for stem in STEMS) or (
            (self.cursor >= 0 or _LONG.search(line)) and VENDOR.search(lower)
        ):
            found += self._named()
            found += self._pairs()
        if " -" in line or line.startswith("-"):
            found += self._options()
        if any(scheme in lower for scheme in ("basic ", "bearer ", "token ", "key ", "digest ")):
            found += self._schemes()
        found += self._bare()
        for begin, start, end in known:
            found = list(_without(found, begin, end))
            found.append((start, end))
        return found

    def _at_cursor(self, start: int, end: int) -> bool:
        return start <= self.cursor <= end

    def _known(self) -> Iterator[tuple[int, int, int]]:
        """(start with what all have in common, start, end)."""
        line = self.line
        for token in _TOKEN.finditer(line):
            start = token.start()
            for prefix, expression in BY_START.get(line[start : start + 2], ()):
                if not line.startswith(prefix, start):
                    continue
                typed = UNFINISHED.match(line, start + len(prefix))
                if typed and typed[0] and len(prefix) > 2 and self._at_cursor(*typed.span()):
                    yield start, *typed.span()
                    break
                match = expression.match(line, start)
                if match and _is_made(match[1]):
                    yield start, *match.span(1)
                    break
            else:
                if self._at_cursor(start, token.end()) and (hexes := _TWILIO.match(line, start)):
                    yield start, *hexes.span(1)
                elif (token.end() - start >= 16 or line[token.end() : token.end() + 1] == ":") and (
                    match := BY_SHAPE.match(line, start)
                ):
                    yield start, *match.span(match.lastindex or 0)
        if "eyJ" in line or "ZXlK" in line:
            for match in JWT.finditer(line):
                if len(match[1]) >= 8 and kinds(match[1]) >= 2:
                    yield match.start(), *match.span(1)

    def _urls(self) -> Iterator[Span]:
        for match in _URL.finditer(self.line):
            user, password = match[1], match[2]
            if password is None:
                if is_secret(user, Level.SECRET) and word_share(user) < 0.5:
                    yield match.span(1)
                continue
            if is_secret(password, Level.PASSWORD, literal=True) or is_secret(user, Level.SECRET):
                yield match.span(2)
            if is_random(user, 16, False):
                yield match.span(1)
        for match in _OPEN_URL.finditer(self.line):
            if self._at_cursor(*match.span(2)) and not match[2].isdigit():
                yield match.span(2)

        for match in _OPEN_TOKEN.finditer(self.line):
            if self._at_cursor(*match.span(1)) and word_share(match[1]) < 0.5:
                yield match.span(1)

    def _schemes(self) -> Iterator[Span]:
        for match in _SCHEME.finditer(self.line):
            open_end = self._at_cursor(*match.span(2)) and len(match[2]) >= 6
            if len(match[2]) >= 6 and is_secret(match[2], Level.SECRET, open_end=open_end):
                yield match.span(2)

    def _options(self) -> Iterator[Span]:
        line = self.line
        program = _PROGRAM.search(line)
        for match in _USER.finditer(line):
            is_login = program is not None or word_share(match[2]) < 0.8
            open_end = self._at_cursor(*match.span(2))
            if not is_login or (match[1].isdigit() and match[2].isdigit()):
                continue
            if is_secret(match[2], Level.PASSWORD, literal=True, open_end=open_end):
                yield match.span(2)
        for match in _FLAG.finditer(line, program.end()) if program is not None else ():
            is_other = _FLAG_LIKE.fullmatch(match[1]) is not None
            if not is_other and is_secret(match[1], Level.PASSWORD, literal=True):
                yield match.span(1)

    def _pairs(self) -> Iterator[Span]:
        for match in _PAIR.finditer(self.line):
            start, end, closed = self._quoted(match.end(), match[1])
            if is_secret(self.line[start:end], Level.PASSWORD, open_end=self._is_open(start, end, closed)):
                yield start, end
        for match in _LOGIN.finditer(self.line):
            yield match.span(1)

    def _bare(self) -> Iterator[Span]:
        for match in _BARE.finditer(self.line):
            start, end = match.span(1)
            if self._is_bare_secret(start, end):
                yield start, end
                continue
            name, equals, value = match[1].rstrip("=").rpartition("=")
            if equals and len(value) >= 12 and self._is_bare_secret(start + len(name) + 1, end):
                yield start + len(name) + 1, end

    def _is_bare_secret(self, start: int, end: int) -> bool:
        value = self.line[start:end].strip("=")
        return is_random(value, 20, self._at_cursor(start, end)) and not self._is_part(start)

    def _is_part(self, start: int) -> bool:
        """Whether a token goes on from something that says what it is: data, a digest, a path of an address."""
        before = self.line[max(0, start - 80) : start]
        return (
            before.endswith((";base64,", "sha256:", "sha512:", " h1:"))
            or before.rpartition(" ")[2].count("://") > 0
        )

    # Values with a name

    def _named(self) -> Iterator[Span]:
        for count, name in enumerate(NAMES.finditer(self.line)):
            if count == _MOST_NAMES:
                yield name.start(), len(self.line)
                return
            level = _LEVELS[name.lastgroup or ""]
            rest = _REST.match(self.line, name.end())
            assert rest is not None, "it matches nothing, too"
            if not _is_whole(name[0], rest[0]) or _is_about(rest[0]) or self._is_public(name.start()):
                continue
            if "." in rest[0] and self.line.startswith("(", rest.end()):
                level = min(level, Level.SECRET)  # a method's argument: password.encode("utf-8")
            span = self._value(name, rest.end(), level)
            if span is not None:
                yield span

    def _is_public(self, start: int) -> bool:
        return self.line[max(0, start - 7) : start].lower().rstrip("_-. ").endswith("public")

    def _value(self, name: re.Match[str], end: int, level: Level) -> Span | None:
        """The secret behind a name; `end` is where the name's own word ends."""
        line = self.line
        connection = _CONNECTION.match(line, end)
        if connection is None:
            return self._behind_blanks(name, end, level)
        at = connection.end()
        if (
            at >= len(line.rstrip(" \t([{|>-\\"))
            and connection["op"]
            and not line.rstrip().endswith(("->", "=>"))
        ):
            self.waits = max(level, self.waits or Level.NONE)
        if connection["comma"] and not _CALLED.search(line[max(0, name.start() - 80) : name.start()]):
            level = min(level, Level.SECRET)
        opening = _OPENING.match(line, at)
        if opening is None and (filled := _FILLED.match(line, at)) and connection["op"]:
            direct = line[at : filled.end()].strip()
            unquoted = self._unquoted(name.start(), connection, at, level)
            if unquoted is not None:
                return unquoted
            opening = _OPENING.match(line, filled.end())
            level = min(level, Level.SECRET) if direct else level
        if opening is None:
            return self._unquoted(name.start(), connection, at, level)
        return self._first_secret(opening, level)

    def _first_secret(self, opening: re.Match[str], level: Level) -> Span | None:
        """The first of some strings behind commas that is a secret; those behind the first have to look like one."""
        found: re.Match[str] | None = opening
        for _ in range(_MOST_ARGUMENTS):
            if found is None:
                break
            start, stop, closed = self._quoted(found.end(), found[1] + found[2])
            if is_secret(self.line[start:stop], level, open_end=self._is_open(start, stop, closed)):
                return start, stop
            comma = _COMMA.match(self.line, stop)
            found, level = _OPENING.match(self.line, comma.end()) if comma else None, min(level, Level.SECRET)
        return None

    def _behind_blanks(self, name: re.Match[str], end: int, level: Level) -> Span | None:
        """The value of an option, or of a Dockerfile's `ENV NAME value`."""
        blanks = re.compile(r"[ \t]{1,8}").match(self.line, end)
        before = self.line[: name.start()]
        if blanks is None or not (_SET.match(before) or _OPTION.search(before[-40:])):
            return None
        value = _INSIDE.match(self.line, blanks.end())
        if value is None or (value[0].startswith("-") and not _SET.match(before)):
            return None
        judged = is_secret(value[0], level, open_end=self._at_cursor(*value.span()), literal=True)
        return value.span() if judged else None

    def _unquoted(self, name: int, connection: re.Match[str], at: int, level: Level) -> Span | None:
        line = self.line
        if connection["tag"]:
            end = line.find("<", at, at + 512)
            end = len(line) if end < 0 else end
            judged = is_secret(line[at:end], level, literal=True, open_end=self._at_cursor(at, end))
            return (at, end) if judged and "{" not in line[at:end] else None
        inside, text = self._in_string(at), bool(_COMMENT.match(line[:name]))
        if connection["verb"] and (text or self.literal or inside):
            value = _INSIDE.match(line, at)
            open_end = value is not None and self._at_cursor(*value.span())
            level = min(level, Level.SECRET)
            return value.span() if value and is_secret(value[0], level, open_end=open_end) else None
        if connection["op"] not in _LITERAL_OPS and not (
            connection["op"] == "==" and (inside or self.literal)
        ):
            return None
        if self.literal and not inside and _FROM_THE_START.match(line[:name]):
            value = _TO_THE_END.match(line, at)
        elif inside or self.literal or text:
            value = _INSIDE.match(line, at)
        else:
            value = _PLAIN.match(line, at)
        if value is None:
            return None
        open_end = self._at_cursor(*value.span())
        if connection["op"] == "=" and " " in value[0] and not line[at - 1].isspace():
            first = _INSIDE.match(line, at)  # a variable for one command: NAME=value program arguments
            if first is not None and is_secret(first[0], level, literal=True, open_end=open_end):
                return first.span()
        if inside or self.literal or text:
            judged = is_secret(value[0], level, open_end=open_end and not text, literal=not text)
        else:
            called = line[value.end() : value.end() + 1] in ("(", "[")
            judged = not called and level >= Level.SECRET and is_random(value[0], 16, open_end)
        return value.span() if judged else None

    def _quoted(self, start: int, quote: str) -> tuple[int, int, bool]:
        """(start, end, whether it is closed) of a string, to the line's end where nothing closes it."""
        at, limit = start, min(len(self.line), start + 2048)
        while at < limit:
            if self.line.startswith(quote, at):
                return start, at, True
            at += 2 if self.line[at] == "\\" else 1
        return start, min(at, len(self.line)), False

    def _is_open(self, start: int, end: int, closed: bool) -> bool:
        return self._at_cursor(start, end) or (not closed and end == len(self.line) and self.cursor == end)

    def _in_string(self, at: int) -> bool:
        return bool(bisect_right(self._borders, at) % 2)

    @cached_property
    def _borders(self) -> list[int]:
        """Where strings begin and end, in turn."""
        borders: list[int] = []
        quote = ""
        for match in _QUOTES.finditer(self.line):
            char = match[0]
            if not quote and char in "\"'`":
                if char == "'" and self.line[match.start() - 1 : match.start()].isalnum():
                    continue  # an apostrophe
                quote = char
                borders.append(match.end())
            elif char == quote:
                quote = ""
                borders.append(match.start() + 1)
        return borders


def _without(spans: list[Span], begin: int, stop: int) -> Iterator[Span]:
    """What is left of spans beside one that is surer."""
    for start, end in spans:
        if end <= begin or stop <= start:
            yield start, end
            continue
        if start < begin:
            yield start, begin
        if stop < end:
            yield stop, end


def _groups(expression: re.Pattern[str], line: str) -> Iterator[Span]:
    for match in expression.finditer(line):
        yield match.span(match.lastindex or 0)


def _is_made(rest: str) -> bool:
    """Whether what follows a known prefix is no word."""
    share = word_share(rest)
    if any(map(str.isdigit, rest)):
        if rest.isupper() and len(rest) >= 12:
            return True
        return share < (0.9 if len(rest) >= 16 else 0.75)
    return share < 0.5


def _is_whole(name: str, rest: str) -> bool:
    """Whether a name ends where a word does: `token`, `tokens`, `tokenValue`, but not `tokenizer`."""
    if not rest or not rest[0].isalpha():
        return True
    if rest[0] in "sS" and not rest[1:2].isalpha():
        return True
    return name[-1].islower() and rest[0].isupper()


def _is_about(rest: str) -> bool:
    return any(word.lower() in NOT_A_VALUE for word in _REST_WORD.findall(rest))
