"""Finds secrets that have a name in their line: `password = "…"`, `"token": "…"`, `ENV SECRET_KEY …`. Pure.

Every expression is bounded or consumes what it matches, so that time is linear in the line's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aix_lsp.privacy.judgement import Level, is_random, is_secret
from aix_lsp.privacy.randomness import name_evidence, word_share
from aix_lsp.privacy.scanned_line import MOST_NAMES, ScannedLine, Span
from aix_lsp.privacy.telling_words import Evidence, grants_no_access, is_about, is_public, is_whole

_LONG = re.compile(r"[\w=-]{12,}")
_REST = re.compile(r"[\w.-]{0,48}(?:\[\w{0,8}\])?")
_ATTRIBUTES = r"""(?:[ \t]{1,8}[\w:-]{1,40}=["'][^"'<>]{0,80}["']){0,3}"""
_CONNECTION = re.compile(
    r"""\]?(?P<closed>\\?["'`*]{1,3})?[\])}]{0,2}(?:
        ["']?{_ATTRIBUTES}[ \t]{1,8}(?:value|defaultValue|content)[ \t]{0,4}=[ \t]{0,4}
      | (?P<tag>(?:</name|["']?{_ATTRIBUTES}[ \t]{0,4})?>(?:[ \t]{0,4}<(?:value|string)>)?)
      | :[ \t]{0,4}[\w\[\]<>.,\ |&?*:]{1,60}?=[ \t]{0,8}(?=[A-Za-z@$&]{0,3}\\?["'`])
      | [ \t]{1,4}[\w.\[\]*&:<>]{1,40}[ \t]{0,4}(?P<typed>:?=)[ \t]{0,4}(?=["'`])
      | [ \t]{0,4}\{[^{}"'`]{0,60}\}[ \t]{0,4}(?P<property>=)[ \t]{0,4}(?=["'`@$])
      | [ \t]{0,20}(?P<op>=>|:=|\?=|\|\|=|\?\?=?|===?|!==?|\+=|=|::?|:|[：＝]|<-|\|\||~>)
        (?:[ \t]{0,40}\*{0,2}[ \t]{0,2})
      | [ \t]{0,4}(?P<comma>,)[ \t]{0,20}(?P<value>["']?(?:value|default|fallback)["']?[ \t]{0,4}[:=][ \t]{0,4})?
      | (?:\.\w{1,20}\([^()"']{0,20}\)){0,2}\.(?:type|fill|send_?keys|set_?value|val|enter_?text|input)
        \([ \t]{0,4}(?=["'`])
      | [ \t]{0,4}[({][ \t]{0,4}
      | (?P<verb>[ \t]{1,4}(?:is|was|equals|to|lautet|ist|est|es|é|è|är|jest):?[ \t]{1,4})
      | [ \t]{1,20}(?=["'`“„«])
    )""".replace("{_ATTRIBUTES}", _ATTRIBUTES),
    re.VERBOSE | re.IGNORECASE,
)
_OPENING = re.compile(r"[A-Za-z@$&]{0,3}#{0,3}(\\?)(\"\"\"|'''|[\"'`])")
_BRACKETED = re.compile(r"%?[qQ]{1,2}[ \t]?([{(\[<|/!])|(\[\[)|([“„«‘])")
_CLOSERS = {"{": "}", "(": ")", "[": "]", "<": ">", "[[": "]]", "“": "”", "„": "“", "«": "»", "‘": "’"}
_COMMA = re.compile(r"\\?[\"'`][ \t]{0,4}(?:,|:|=>|\)?[ \t]{0,4}(?:\bor\b|\|\||\?\?))[ \t]{0,20}")
_MOST_ARGUMENTS = 4
_FILLED = re.compile(
    r"[^\"'`;\n]{0,80}?(?:[=(,:?|{\[][ \t]{0,4}|(?:String|crypt|lazy)[ \t]{1,4})[A-Za-z@$&]{0,3}(?=[\"'`])"
)
_CALLED = re.compile(r"[\w\])]\([ \t]{0,4}[A-Za-z]{0,2}\\?[\"'`][\w.#=\[\]*^$~:-]{0,64}$")
_INSIDE = re.compile(r"[^\s;&\"'`<>,\\]{1,512}")
_IN_QUERY = re.compile(r"[?&;][\w.-]{0,32}$")
_PLAIN = re.compile(r"[^\s\"'`,;(){}\[\]&<>]{1,512}")
_TO_THE_END = re.compile(r"(?:(?<![ \t])#|[^\s#;]).{0,1024}?(?=[ \t]+#|[ \t]*$)")
_WRAPPING = re.compile(r"(?:!!?[a-z]{1,12}|&\w{1,40})[ \t]{1,4}(?=[\w\"'])|(?:base64:(?=.))|<!\[CDATA\[")
_FROM_THE_START = re.compile(
    r"[ \t]*(?:-[ \t]+|export[ \t]+|ENV[ \t]+|ARG[ \t]+|set(?:env|x)?[ \t]+(?:-\w+[ \t]+)?|\$env:)?"
    r"[\"']?[\w.:/-]*$",
    re.IGNORECASE,
)
_SET = re.compile(
    r"[ \t]*(?:ENV|ARG|setenv|setx|SetEnv|set[ \t]+-\w+|export|#[ \t]*define)[ \t]+[\w.-]*$", re.IGNORECASE
)
_OPTION = re.compile(r"(?:^|\s)--?[\w-]{0,32}$")
_DIRECTIVE = re.compile(r"[ \t]*(?:enable[ \t]+|username[ \t]+\S{1,40}[ \t]+)?[\w.-]*$")
_BLANKS = re.compile(r"[ \t]{1,20}(?:[057][ \t]+)?\"?")
_COMMENT = re.compile(r"[ \t]*(?:#|//|--|;|\*|/\*|<!--|%|>|REM\b)|.*[ \t](?:#|//)[ \t]", re.IGNORECASE)
_TO_COME = re.compile(
    r"[ \t]*(?:[|>][+-]?|[([{\\]|b?r?\"\"\"|'''|`|@[\"']|<<[~-]?[\"']?\w+[\"']?|%?[qQ]\{)*+[ \t]*"
)
_IS_TEXT = re.compile(r"\"\"\"|'''|`|@[\"']|<<|\[\[|[qQ]\{")
_PHRASE = re.compile(r"(?:mnemonic|seed|recovery)", re.IGNORECASE)
_SHELL = re.compile(r"[ \t]*(?:(?:export|ENV|ARG|RUN|set|setx|-)[ \t]+|\$env:)?[A-Z][A-Z0-9_]*=", re.ASCII)
_CHOSEN = re.compile(r"(?=.*[A-Za-z])(?=.*\d)(?=.*[!#%*?+^&$~@])[\w.!#%*?+^&$~@-]{6,64}")
_LITERAL_OPS = frozenset(("=", ":", ":=", "=>", "?=", "::", "：", "＝"))
_INTERPOLATED = re.compile(r"(?:\b[rRbB]?[fF][rR]?|\$@?)[\"'][^\"']*$|`[^`]*$")
_ENCRYPTED = re.compile(r"\{([A-Za-z0-9+/]{8,}={0,2})(?:\}|$)")
"""Jenkins's encrypted form; the key to decrypt it lies beside it."""
LEVELS = {"password": Level.PASSWORD, "secret": Level.SECRET, "vendor": Level.SECRET, "key": Level.KEY}


def named(line: ScannedLine) -> Iterator[Span]:
    """The secrets after names. Notes on the line whether a name still awaits its value."""
    if not line.evidence & Evidence.NAME and not (
        line.evidence & Evidence.VENDOR and (line.cursor >= 0 or _LONG.search(line.text))
    ):
        return
    for count, name in enumerate(line.names):
        if count == MOST_NAMES:
            yield name.start(), len(line.text)
            return
        level = LEVELS[name.lastgroup or ""]
        rest = _REST.match(line.text, name.end())
        assert rest is not None, "it matches nothing, too"
        if not is_whole(name[0], rest[0]) or is_about(rest[0]) or is_public(line.text, name.start()):
            continue
        if name[0].lower() == "token" and grants_no_access(line.text, name.start()):
            level = Level.KEY
        if "." in rest[0] and line.text.startswith("(", rest.end()):
            level = min(level, Level.SECRET)  # a method's argument: password.encode("utf-8")
        span = _value(line, name, rest.end(), level)
        if span is not None:
            yield span


def _value(line: ScannedLine, name: re.Match[str], end: int, level: Level) -> Span | None:
    """The secret after a name; `end` is where the name's last word ends."""
    text = line.text
    connection = _CONNECTION.match(text, end)
    if connection is None:
        return _behind_blanks(line, name, end, level)
    at = connection.end()
    _wait(line, connection, at, level)
    if node := _WRAPPING.match(text, at):
        at = node.end()
    if (
        connection["comma"]
        and not connection["value"]
        and not _CALLED.search(text[max(0, name.start() - 80) : name.start()])
    ):
        level = min(level, Level.SECRET)
    bracketed = _BRACKETED.match(text, at)
    if bracketed is not None and (span := _in_brackets(line, bracketed, level)):
        return span
    opening = _OPENING.match(text, at)
    if opening is None and (filled := _FILLED.match(text, at)) and connection["op"]:
        direct = text[at : filled.end()].strip(" \t({[")
        unquoted = _unquoted(line, name.start(), connection, at, level)
        if unquoted is not None:
            return unquoted
        opening = _OPENING.match(text, filled.end())
        level = min(level, Level.SECRET) if direct else level
    if opening is None:
        return _unquoted(line, name.start(), connection, at, level)
    return first_secret(line, opening, level)


def _wait(line: ScannedLine, connection: re.Match[str], at: int, level: Level) -> None:
    """Note that the value is on the next line, if nothing follows the name."""
    follows = line.text[at:]
    ends = line.text.rstrip()
    if not (connection["op"] or connection["comma"] or connection["tag"]) or ends.endswith(("->", "=>")):
        return
    if _TO_COME.fullmatch(follows) is None:
        return
    if connection["comma"]:
        level = min(level, Level.SECRET)
    line.waits = max(level, line.waits or Level.NONE)
    line.waits_for = (
        "text"
        if connection["tag"] or _IS_TEXT.search(follows)
        else "map"
        if follows.rstrip().endswith("{")
        else "value"
    )


def _in_brackets(line: ScannedLine, opening: re.Match[str], level: Level) -> Span | None:
    """A string in brackets or special quotes: Perl's and Ruby's `q{…}`, Lua's `[[…]]`, typographic quotes."""
    bracket = next(group for group in opening.groups() if group)
    start = opening.end()
    end = line.text.find(_CLOSERS.get(bracket, bracket), start, start + 512)
    end = len(line.text) if end < 0 else end
    return next(line.secret(start, end, level), None)


def first_secret(line: ScannedLine, opening: re.Match[str], level: Level) -> Span | None:
    """The first secret in a list of strings separated by commas; all but the first string must look like one."""
    found: re.Match[str] | None = opening
    for _ in range(_MOST_ARGUMENTS):
        if found is None:
            break
        start, stop, closed = line.string(found.end(), found[1] + found[2])
        if is_secret(line.text[start:stop], level, open_end=line.is_open(start, stop, closed)):
            return start, stop
        comma = _COMMA.match(line.text, stop)
        found, level = _OPENING.match(line.text, comma.end()) if comma else None, min(level, Level.SECRET)
    return None


def _behind_blanks(line: ScannedLine, name: re.Match[str], end: int, level: Level) -> Span | None:
    """The value of an option, of a Dockerfile's `ENV NAME value`, or of a directive: `requirepass …`."""
    text, before = line.text, line.text[: name.start()]
    blanks = _BLANKS.match(text, end)
    if blanks is None:
        return None
    is_set = _SET.match(before) is not None or name[0].lower().startswith("identified")
    is_directive = (line.literal or line.prose) and _DIRECTIVE.fullmatch(before) is not None
    if not (is_set or is_directive or _OPTION.search(before[-40:])):
        return None
    if text[blanks.end() :].strip() == "\\":
        line.waits, line.waits_for = level, "value"
        return None
    value = _INSIDE.match(text, blanks.end())
    if value is None or (
        value[0].startswith("-")
        and not is_set
        and not is_random(value[0][1:], 16, line.is_typed(*value.span()))
    ):
        return None
    if is_directive and not is_set and text[value.end() :].strip(' \t";')[:2] not in ("", "RO", "RW", "pl"):
        return None
    judged = is_secret(
        value[0], level, open_end=line.is_typed(*value.span()), literal=is_set or not is_directive
    )
    return value.span() if judged else None


def _unquoted(line: ScannedLine, name: int, connection: re.Match[str], at: int, level: Level) -> Span | None:
    """An unquoted value, after the operator or keyword that connects it with its name."""
    text = line.text
    if connection["tag"]:
        return _in_element(line, at, level)
    inside = line.in_string(at) or _IN_QUERY.search(text[max(0, name - 40) : name]) is not None
    said = line.prose or bool(_COMMENT.match(text[:name]))
    if connection["verb"] and (said or line.literal or inside):
        return _said(line, at, level)
    if connection["op"] not in _LITERAL_OPS and not (connection["op"] == "==" and (inside or line.literal)):
        return None
    phrase = _PHRASE.match(text, name)
    from_the_start = line.literal and _FROM_THE_START.match(text[:name])
    unbroken = _INSIDE if inside or line.literal or said else _PLAIN
    form = _TO_THE_END if not inside and (phrase or from_the_start) else unbroken
    if (value := form.match(text, at)) is None:
        return None
    open_end = line.is_typed(*value.span())
    if open_end and inside and level is Level.KEY and connection["op"] == "=":
        level = Level.SECRET  # part of a connection string
    if open_end and inside and value[0][0] == "{" and not _is_filled_in(text[:at], level):
        return at + 1, value.end()
    if phrase and line.is_typed(at, len(text)):
        return value.span()
    shell = _SHELL.fullmatch(text[: connection.end()]) is not None
    if connection["op"] == "=" and " " in value[0] and not phrase and not text[at - 1].isspace():
        first = _INSIDE.match(text, at)  # a variable set for one command: NAME=value program arguments
        if first is not None and is_secret(first[0], level, literal=True, open_end=open_end):
            return first.span()
    if inside or line.literal or said:
        open_end = open_end and (
            not said or level is Level.PASSWORD or shell or connection["op"] == "=" or _is_telling(value[0])
        )
        judged = is_secret(value[0], level, open_end=open_end, literal=not said)
    else:
        alone = value.end() == len(text.rstrip()) and _FROM_THE_START.match(text[:name]) is not None
        judged = _is_value_in_code(text, value, level, open_end, (shell, alone))
    return value.span() if judged else None


def _is_value_in_code(
    text: str, value: re.Match[str], level: Level, open_end: bool, shell_or_alone: tuple[bool, bool]
) -> bool:
    """Whether an unquoted value is a secret where values may be unquoted: in a shell, or alone on its line."""
    shell, alone = shell_or_alone
    called = text[value.end() : value.end() + 1] in ("(", "[")
    if not called and level >= Level.SECRET and is_random(value[0], 16, open_end):
        return True
    chosen = (shell and (any(map(str.isdigit, value[0])) or open_end)) or (
        level is Level.PASSWORD
        and (alone or text[value.start() - 1] == "=")
        and _CHOSEN.fullmatch(value[0]) is not None
    )
    return chosen and is_secret(value[0], level, open_end=open_end, literal=True)


def _is_filled_in(before: str, level: Level) -> bool:
    """Whether braces in the string left open by `before` are interpolated, as in Python's f-strings."""
    return level is not Level.PASSWORD or _INTERPOLATED.search(before) is not None


def _in_element(line: ScannedLine, at: int, level: Level) -> Span | None:
    """The text of an XML element: `<password>…</password>`."""
    end = line.text.find("<", at, at + 512)
    end = len(line.text) if end < 0 else end
    typed = line.is_typed(at, end)
    if (encrypted := _ENCRYPTED.match(line.text, at, end)) and name_evidence(encrypted[1]) < 0:
        return encrypted.span(1)
    judged = is_secret(line.text[at:end], level, literal=True, open_end=typed)
    return (at, end) if judged and "{" not in line.text[at:end] else None


def _said(line: ScannedLine, at: int, level: Level) -> Span | None:
    """A value in prose: `the password is …`."""
    value = _INSIDE.match(line.text, at)
    if value is None:
        return None
    end = value.start() + len(value[0].rstrip(".:)"))
    open_end = line.is_typed(*value.span()) and len(value[0]) >= 4
    if not _is_telling(value[0]) and value[0].count("-") < 3 and not open_end:
        level = min(level, Level.SECRET)
    return (at, end) if is_secret(line.text[at:end], level, open_end=open_end) else None


def _is_telling(value: str) -> bool:
    """Whether a value typed so far in prose can be a secret, rather than the beginning of a word."""
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return mixed or (len(value) >= 6 and word_share(value) < 0.6)
