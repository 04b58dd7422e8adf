"""Decides whether a value is a secret, by its name and its form. Pure.

A name alone decides little: in `token = "access_token"` there is no secret. Nor do words inside a value excuse it:
what counts is how much of it is random.
"""

from __future__ import annotations

import re
from enum import IntEnum

from aix_lsp.privacy.randomness import (
    entropy,
    is_hex,
    is_sequence,
    is_uuid,
    kinds,
    mean_run,
    name_evidence,
    word_share,
)
from aix_lsp.privacy.secret_kinds import NOT_A_VALUE

_TEMPLATE = re.compile(
    r"\$\{\{.{0,200}?\}\}|\{\{.{0,200}?\}\}|\$\{[^}]{0,200}\}|\$\([^)]{0,200}\)|#\{[^}]{0,200}\}|<%.{0,200}?%>"
    r"|\{[A-Za-z_][\w.()\[\]'\"-]{0,100}(?:![rsa])?(?::[\w.<>^=+,%:-]{0,40})?\}|\{\}|%\([\w.]{1,60}\)s"
    r"|<[A-Za-z][\w .,:/-]{0,80}>|%[sdr](?!\w)|\[[A-Z _-]{3,40}\]"
)
_OPEN_TEMPLATE = re.compile(r"(?:\$\{|\{\{|\$\(|#\{|<%)[\w. ]{0,100}$")
_REFERENCE = re.compile(
    r"\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|@[A-Za-z_]\w*@|!(?:vault|Ref|Sub|GetAtt|ImportValue|secret|env|include|reference)(?:\b.*)?|&[A-Za-z]\w*|\*+|[.•]{3,}|-+|_+"
)
_FILLER_WORDS = """
xxx xxxx abc abcd def foo bar baz qux test tests testing example examples sample dummy fake mock placeholder
changeme change replace replaceme insert enter your my the here some any with this me todo fixme none null nil
true false undefined password passwd pass secret token string text value key hidden required optional user
username admin root default unknown empty redacted masked removed omitted basic bearer digest apikey api auth
"""
_FILLERS = frozenset(_FILLER_WORDS.split())
_WORD = re.compile(r"[A-Za-z]+")
_PARTS = re.compile(r"[-_.]")
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|\?\.)[A-Za-z_$][\w$]*)*")
_PATH = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:)?(?:[/\\][\w .@+-]*)+|(?:[\w@+-]+/)+[\w.@+-]*\.\w{1,5}")
_NUMBER = re.compile(r"[+-]?\d[\d_.,:/ -]*(?:ms|s|m|h|d|px|em|%)?")
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?")
_PUBLIC = re.compile(
    r"AAAA[A-E]3NzaC1|sha\d+-|sha\d+:|h1:|md5[:-]|data:|urn:|https?:|[\w.+-]+@[\w.-]+\.[A-Za-z]{2,12}(?![\w!#$%?*])"
)
_ALGORITHMS = re.compile(
    r"(?<![A-Za-z])(?:AES|SHA|GCM|CBC|CCM|ARIA|CAMELLIA|CHACHA|POLY|3DES|DES|RC|MD|NULL|ECDHE|DHE|RSA|PSK)\d{0,4}(?![A-Za-z])"
)
_MIXED = re.compile(r"[A-Za-z].*[0-9]|[0-9].*[A-Za-z]")
_CHOSEN = re.compile(r"(?=.{0,63}[!#%*?+^&$~@])[\w.!#%*?+^&$~@-]{8,64}")
"""Passwords as people choose them where a special character is required."""
_WORDS = re.compile(r"[a-z]{3,12}(?:[-_. ][a-z]{3,12}){3,11}")
_DIGIT_RUNS = re.compile(r"[0-9]+")
SURELY = 16
"""Characters; from this length on, an unnamed value being typed is judged by all its pairs of characters."""
_SIXTY_FOUR = re.compile(r"[A-Za-z0-9+/_-]{16,}={1,2}")


class Level(IntEnum):
    """How strongly a value's name suggests that it is a secret."""

    NONE = 0
    KEY = 1
    """`key`, `client_id`: the value itself must look like a secret."""
    SECRET = 2
    """`token`, `api_key`, a vendor's name."""
    PASSWORD = 3
    """Even a weak value counts."""


def is_secret(value: str, level: Level, *, open_end: bool = False, literal: bool = False) -> bool:
    """Whether a value must be replaced.

    `open_end`: it is still being typed or continues out of sight, so less evidence suffices. `literal`: it is unquoted
    in a language where that makes it a string (YAML, .env), not an identifier.
    """
    value = value.removeprefix("{noop}")
    rest = _TEMPLATE.sub("", value)
    rest = _OPEN_TEMPLATE.sub("", rest) if open_end else rest
    if not rest.strip() or _REFERENCE.fullmatch(value) or _is_placeholder(rest, 0 if open_end else 3):
        return False
    if rest != value and word_share(rest) > 0.5:
        return False
    if level is Level.PASSWORD:
        return _is_password(rest, open_end, literal)
    if level is Level.SECRET:
        return _is_token(rest, open_end)
    return is_random(rest, 16 if level is Level.KEY else 20, open_end)


def is_begun(value: str) -> bool:
    """Whether a value typed so far, where only a secret can be, is the beginning of one and not of a variable."""
    return value[0] not in "$%<{&" and (len(value) < 3 or not _is_placeholder(value, 0))


def _is_placeholder(value: str, most: int) -> bool:
    """Whether a value consists of placeholder words, and of at most `most` other letters and digits."""
    left = len(value)
    for word in _WORD.findall(value[:256]):
        if word.lower() in _FILLERS or (len(word) > 2 and len(set(word.lower())) == 1):
            left -= len(word)
    named = left < len(value)
    more = sum(map(str.isalnum, value)) - (len(value) - left)
    return (named and more <= most) or len(set(value)) == 1 or (len(value) >= 8 and is_sequence(value))


def _is_password(value: str, open_end: bool, literal: bool) -> bool:
    if len(value) < (2 if open_end else 4) or _PATH.fullmatch(value) or _PUBLIC.match(value):
        return False
    if " " in value.strip():
        return _is_phrase(value) or (open_end and _is_begun_phrase(value))
    if open_end:
        return True
    if _is_word_list(value):
        return True
    letters_only = value.replace("_", "").replace("-", "").replace(".", "").isalpha()
    if letters_only:
        if len(value) >= 8 and word_share(value) < 0.6:
            return True
        parts = [part for part in _PARTS.split(value) if len(part) >= 6]
        if any((word_share(part) < 0.5 and len(part) >= 8) or mean_run(part) < 3.5 for part in parts):
            return True
        plain = value.isalpha() and value.islower()
        mixed = kinds(value) > 1 and not value[1:].islower()
        return (literal and (plain or mixed)) or (
            value.isalpha() and not value[:1].isupper() and not value.islower()
        )
    if _NUMBER.fullmatch(value):
        return value.isdigit() and (literal or 6 <= len(value) <= 16)
    if _IDENTIFIER.fullmatch(value) and word_share(value) > 0.8 and ("_" in value or "." in value):
        return False
    return any(map(str.isalnum, value))


def _is_word_list(value: str) -> bool:
    """Whether a password is four or more words, none of which describes what it is for."""
    if _WORDS.fullmatch(value) is None or "." in value or "_" in value:
        return False
    words = _PARTS.split(value)
    return not any(word in _FILLERS or word.removesuffix("s") in NOT_A_VALUE for word in words)


def _is_phrase(value: str) -> bool:
    """Whether a value with spaces is a passphrase (lower-case words, or random strings), not a sentence."""
    words = value.split()
    if any(is_random(word, 8, False) for word in words):
        return True
    plain = all(word.isalpha() and word.islower() for word in words)
    return plain and len(words) >= 12 and len(words) % 3 == 0


def _is_begun_phrase(value: str) -> bool:
    """Whether a value being typed may become a passphrase: short lower-case words, none of them a common one."""
    words = value.split()
    return (
        len(words) >= 2
        and all(w.isalpha() and w.islower() and 3 <= len(w) <= 8 for w in words[:-1])
        and not (_FILLERS.intersection(words) or NOT_A_VALUE.intersection(words))
    )


def _is_token(value: str, open_end: bool) -> bool:
    if " " in value.strip():
        return any(is_random(word, 16, open_end) for word in value.split())
    if len(value) < (4 if open_end else 8) or (
        _says_what_it_is(value)
        and not (open_end and ((value.isdigit() and len(value) >= 12) or name_evidence(value) < 0))
    ):
        return False
    if is_uuid(value) or (open_end and len(value) >= 6 and _MIXED.search(value)):
        return True
    chosen = value.partition(":")[2] or value
    if _CHOSEN.fullmatch(chosen) and _MIXED.search(chosen):
        return True
    if open_end and len(value) >= 8 and kinds(value) and (":" not in value or len(chosen) >= 6):
        return True
    if is_hex(value) and len(value) >= (6 if open_end else 12):
        return not value.isdigit() or len(value) >= 16
    if value.isalpha() and kinds(value) == 1:
        return len(value) >= 12 and word_share(value) < 0.5
    if _SIXTY_FOUR.fullmatch(value):
        return True
    share = word_share(value)
    if kinds(value) == 1 and not any(map(str.isdigit, value)):
        return share < 0.5
    if len(value) >= 12 and name_evidence(value) < -0.2 * len(value):
        return True
    return share < (0.6 if len(value) < 24 else 0.7) and (open_end or entropy(value) >= 2.5)


def _says_what_it_is(value: str) -> bool:
    """Whether a value is a path, a number or a date, or has a prefix that names its kind."""
    if len(_ALGORITHMS.findall(value)) >= 2:
        return True  # TLS_PSK_WITH_AES_128_CCM
    if _PUBLIC.match(value) or _NUMBER.fullmatch(value) or _DATED.fullmatch(value):
        return True
    words = (
        0.6
        if kinds(value) == 3 and len(value) >= 32
        else 0.4
        if len(value) >= 20 or kinds(value) == 3
        else 0.0
    )
    return _PATH.fullmatch(value) is not None and word_share(value) >= words


def is_random(value: str, least: int, open_end: bool) -> bool:
    """Whether a value without a telling name is a key: random letters in both cases and digits; no digest, no UUID."""
    if len(value) < (least - 8 if open_end else least) or len(value) > 256:
        return False
    if open_end and is_hex(value) and _MIXED.search(value) and not value.startswith("0x"):
        return True
    named = least <= 16
    if open_end and len(value) >= (12 if named else SURELY) and name_evidence(value) < 0:
        return not is_sequence(value)
    if open_end and kinds(value) >= 2 and _has_few_words(value) and not is_sequence(value):
        return not _says_what_it_is(value)
    if (
        open_end
        and kinds(value) == 3
        and len(_DIGIT_RUNS.findall(value)) >= 2
        and not _says_what_it_is(value)
    ):
        return True
    if _is_letters(value, least):
        return True
    if kinds(value) < 3 or is_hex(value) or is_uuid(value) or _says_what_it_is(value) or is_sequence(value):
        return False
    if "_" in value and not open_end and not any(_mixes_cases(part) for part in _PARTS.split(value)):
        return False  # DER_OID_SZ_c2pnb163v1
    digits = sum(map(str.isdigit, value))
    if not 1 <= digits <= 0.6 * len(value):
        return False
    if mean_run(value) > (4 if open_end else 2.6 if len(value) < 28 else 3.0):
        return False
    few_words = word_share(value) < (0.5 if open_end else 0.35) or name_evidence(value) < -0.7 * len(value)
    return few_words and entropy(value) >= (2.8 if open_end else 3.4)


def _is_letters(value: str, least: int) -> bool:
    """Whether a value is a key of letters in both cases without a digit, as 1 of 180 keys of 30 characters is.

    Of such keys of 24 characters, 1 in 30 is missed; in 630,000 lines of installed code, no name was mistaken for one.
    """
    return (
        len(value) >= max(least + 4, 20)
        and kinds(value) == 2
        and value.isascii()
        and not any(map(str.isdigit, value))
        and mean_run(value) <= 3.6
        and name_evidence(value) < -0.65 * len(value)
        and _PATH.fullmatch(value) is None
        and not is_sequence(value)
    )


def _mixes_cases(part: str) -> bool:
    return any(map(str.isupper, part)) and any(map(str.islower, part))


def _has_few_words(value: str) -> bool:
    """Whether a value being typed is not a name: it has few words, or its case changes too often."""
    # A plus between letters suggests Base64, like a digit.
    share, mixed = word_share(value), kinds(value) == 3 or "+" in value
    if share < (0.5 if mixed else 0.35):
        return True
    if "_" in value:
        return False
    run = mean_run(value)
    return share < 0.4 or (share <= (0.65 if mixed else 0.5) and run <= 3.2)
