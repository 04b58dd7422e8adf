"""Finds secrets that need no name: keys of a known format, URLs with a password, random strings. Pure.

Every expression is bounded or consumes what it matches, so that time is linear in the line's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aix_lsp.privacy.judgement import Level, is_begun, is_random, is_secret
from aix_lsp.privacy.randomness import is_hex, kinds, mean_run, name_evidence, word_share
from aix_lsp.privacy.scanned_line import ScannedLine, Span
from aix_lsp.privacy.secret_kinds import (
    ALSO_IN_NAMES,
    BY_SHAPE,
    BY_START,
    HASHES,
    JWT,
    SITES,
    UNFINISHED,
    WEBHOOK,
)
from aix_lsp.privacy.telling_words import Evidence

_TOKEN = re.compile(r"(?<=\\)[nrtbf]|[A-Za-z0-9_][\w.~-]{6,}")
_TYPED_TOKEN = re.compile(r"(?<=\\)[nrtbf]|[A-Za-z0-9_][\w.~-]{3,}")
_BARE = re.compile(r"(?<![\w+/=~.-])-?(?:(?<=\\)[nrt])?([A-Za-z0-9_+/][\w+/=.~-]{10,})")
_DIGIT = re.compile(r"\d")
_LONG = re.compile(r"[\w+/=.~-]{24}")
_TWILIO = re.compile(r"(?:SK|AC)([0-9a-f]{4,32})(?!\w)")
_URL = re.compile(r"://([^\s:/@'\"`<>?#]{0,128})(?::([^\s@'\"`<>]{1,256}))?@")
_OPEN_TOKEN = re.compile(r"://([\w-]{6,256})(?=$|[\"'`\s])")
_OPEN_URL = re.compile(r"://([\w.%+;=,-]{0,64}):([^\s@'\"`/<>{}$]{2,256})(?=$|[\"'`\s])")
_ADDRESS = re.compile(
    r"(?:\b(?:thin|oci8?):[\w.-]{1,64}/|(?-i:CONNECT|conn)[ \t]{1,4}[\w.-]{1,64}/|[\"'`][\w.-]{1,64}:)"
    r"([^\s@/'\"`<>()]{3,256})@(?:tcp\(|//|[\w.-]{1,64}[:\w])",
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"\b(bearer|basic|token|apikey|api-key|digest|negotiate)[ \t]{1,4}([\w.~+/=!#%*?$^&:-]{1,1024})",
    re.IGNORECASE,
)
_AS_ARGUMENT = re.compile(
    r"\b(?:bearer|basic|apikey|api-key|negotiate)[\"'`][ \t]{0,4},[ \t]{0,4}[\"'`]([\w.~+/=-]{1,1024})",
    re.IGNORECASE,
)
"""`AuthenticationHeaderValue("Bearer", "…")`"""

_ROW = re.compile(
    r"[ \t]*(?:[\w.*-]{1,128}:(?:\d{1,5}|\*):[^\s:]{1,64}:[^\s:]{1,64}:"
    r"|\S{1,128}[ \t]{1,20}[\w.+-]{1,64}@[\w.-]{1,128}:)"
    r"([^\s:]{3,128})[ \t]*"
)
"""A line of `.pgpass` or of Postfix's `sasl_passwd`."""
_WIFI = re.compile(r"WIFI:[^\"'`]{0,200}?;P:((?:[^;\\\"'`]|\\.){4,128})")
"""The content of a Wi-Fi QR code."""
_SEED = re.compile(
    r"(?:seed|mnemonic|phrase|words|wallet)\w{0,16}[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"'`]?"
    r"((?:[a-z]{3,8}[ ]){1,23}[a-z]{0,8})",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"(?:^|[\s(<])[A-Za-z][\w.-]{0,63}:([^\s@/:\"'`]{6,64})@[A-Za-z][\w.-]{0,127}(?=$|[\s:/,;)>])"
)
"""`root:…@db` without a URL scheme. Packages and digests look the same, except for the special characters."""
_SIGN = re.compile(r"[!#%*?+^&$~]")
_SCHEMES = ("basic", "bearer", "token ", "key ", "apikey", "api-key", "digest ", "negotiate")


def known(line: ScannedLine) -> Iterator[tuple[int, int, int]]:
    """Keys of a known format: (start including the common prefix, start of the secret, end)."""
    text = line.text
    for token in (_TOKEN if line.cursor < 0 else _TYPED_TOKEN).finditer(text):
        start = token.start()
        for prefix, expression in BY_START.get(text[start : start + 2], ()):
            if not text.startswith(prefix, start):
                continue
            typed = UNFINISHED.match(text, start + len(prefix))
            if (
                typed
                and typed[0]
                and len(prefix) > 2
                and line.is_typed(*typed.span())
                and not _may_be_a_name(prefix, typed[0])
            ):
                yield start, *typed.span()
                break
            match = expression.match(text, start)
            if match and _is_made(match[1]) and not _may_be_a_name(prefix, match[1]):
                yield start, *match.span(1)
                break
        else:
            if line.is_typed(start, token.end()) and (hexes := _TWILIO.match(text, start)):
                yield start, *hexes.span(1)
            elif (token.end() - start >= 16 or text[token.end() : token.end() + 1] in (":", "$")) and (
                match := BY_SHAPE.match(text, start)
            ):
                yield start, *match.span(match.lastindex or 0)
    if "eyJ" in text or "ZXlK" in text:
        for match in JWT.finditer(text):
            if (len(match[1]) >= 8 and kinds(match[1]) >= 2) or line.is_typed(*match.span(1)):
                yield match.start(), *match.span(1)
    if "$" in text:
        for match in HASHES.finditer(text):
            yield match.start(), *match.span(1)


def _may_be_a_name(prefix: str, rest: str) -> bool:
    """Whether what has been typed after an ambiguous prefix still looks like a name rather than a key."""
    if prefix not in ALSO_IN_NAMES or any(map(str.isdigit, rest)):
        return False
    return name_evidence(prefix + rest) > 0


def without_name(line: ScannedLine) -> Iterator[Span]:
    """Secrets in URLs, in headers, and on their own."""
    if "://" in line.text:
        yield from _urls(line)
    if "@" in line.text:
        for match in _ADDRESS.finditer(line.text):
            yield from line.secret(*match.span(1), Level.PASSWORD, literal=True)
        for match in _LOGIN.finditer(line.text):
            typed = line.is_typed(*match.span(1))
            if typed or (_SIGN.search(match[1]) and is_secret(match[1], Level.PASSWORD, literal=True)):
                yield match.span(1)
    if "WIFI:" in line.text:
        yield from (match.span(1) for match in _WIFI.finditer(line.text))
    if " " in line.text and (line.cursor >= 0 or line.text.count(" ") > 10):
        for match in _SEED.finditer(line.text):
            if line.is_typed(*match.span(1)) or match[1].count(" ") >= 11:
                yield match.span(1)
    if "/" in line.text and any(site in line.lower for site in SITES):
        for match in WEBHOOK.finditer(line.text):
            yield match.span(match.lastindex or 0)
    if line.evidence & Evidence.SCHEME and any(scheme in line.lower for scheme in _SCHEMES):
        yield from _schemes(line)
    row = _ROW.fullmatch(line.text) if (line.literal or line.prose) and ":" in line.text else None
    if row:
        yield from line.secret(*row.span(1), Level.PASSWORD, literal=True)
    # A complete key without a name has digits or is long.
    if line.cursor >= 0 or _DIGIT.search(line.text) is not None or _LONG.search(line.text) is not None:
        yield from _bare(line)


def _urls(line: ScannedLine) -> Iterator[Span]:
    for match in _URL.finditer(line.text):
        user, password = match[1], match[2]
        if password is None:
            if is_secret(user, Level.SECRET, open_end=line.is_typed(*match.span(1))) and (
                word_share(user) < 0.5 or name_evidence(user) < -0.3 * len(user)
            ):
                yield match.span(1)
            continue
        open_end = line.is_typed(*match.span(2))
        if is_secret(password, Level.PASSWORD, literal=True, open_end=open_end) or is_secret(
            user, Level.SECRET
        ):
            yield match.span(2)
        if is_random(user, 16, False) or password == "x-oauth-basic":
            yield match.span(1)
    for match in _OPEN_URL.finditer(line.text):
        if line.is_typed(*match.span(2)) and not match[2].isdigit():
            yield match.span(2)
    for match in _OPEN_TOKEN.finditer(line.text):
        if line.is_typed(*match.span(1)) and (word_share(match[1]) < 0.5 or kinds(match[1]) == 3):
            yield match.span(1)


def _schemes(line: ScannedLine) -> Iterator[Span]:
    """The credentials after an authentication scheme; in a header, everything from the first character typed."""
    header = "authorization" in line.lower
    for match in _SCHEME.finditer(line.text):
        start, end = match.span(2)
        if header and match[1].lower() != "token":
            judged = _is_in_header(match[2], line.is_typed(start, end))
        else:
            judged = len(match[2]) >= 6 and is_secret(
                match[2], Level.SECRET, open_end=line.is_typed(start, end)
            )
        if judged:
            yield start, end
    for match in _AS_ARGUMENT.finditer(line.text):
        if _is_in_header(match[1], line.is_typed(*match.span(1))):
            yield match.span(1)


def _is_in_header(value: str, open_end: bool) -> bool:
    """Whether what follows `Authorization: Bearer` is a secret, and neither a variable nor a placeholder."""
    if open_end:
        return is_begun(value)
    return is_secret(value, Level.PASSWORD) or (len(value) >= 12 and is_secret(value, Level.SECRET))


def _bare(line: ScannedLine) -> Iterator[Span]:
    for match in _BARE.finditer(line.text):
        start, end = match.span(1)
        if _is_bare_secret(line, start, end):
            yield start, end
            continue
        name, equals, value = match[1].rstrip("=").rpartition("=")
        if equals and len(value) >= 12 and _is_bare_secret(line, start + len(name) + 1, end):
            yield start + len(name) + 1, end


def _is_bare_secret(line: ScannedLine, start: int, end: int) -> bool:
    value = line.text[start:end].strip("=")
    least = 19 if line.text[start - 1 : start] == "-" else 20  # "-" may be the key's own first character
    return is_random(value, least, line.is_typed(start, end)) and not _is_part(line.text, start)


def _is_part(text: str, start: int) -> bool:
    """Whether a token continues something that identifies it: base64 data, a digest, the path of a URL."""
    before = text[max(0, start - 80) : start]
    return (
        before.endswith((";base64,", "sha256:", "sha512:", " h1:"))
        or before.rpartition(" ")[2].count("://") > 0
    )


def _is_made(rest: str) -> bool:
    """Whether what follows a known prefix is not a word."""
    share = word_share(rest)
    if any(map(str.isdigit, rest)):
        if (rest.isupper() or is_hex(rest)) and len(rest) >= 12:
            return True
        return share < (0.9 if len(rest) >= 16 else 0.75)
    if len(rest) >= 16 and kinds(rest) == 2 and mean_run(rest) <= 3.6:
        return share < 0.9
    return share < 0.5
