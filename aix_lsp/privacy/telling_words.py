"""Decides by a line's words whether searching it for names, calls or commands can find anything. Pure.

Almost no line has such words, and words recur: the verdict on each is cached, so that most lines cost one look-up per
word.
"""

from __future__ import annotations

import re
from enum import IntEnum

from aix_lsp.privacy.secret_kinds import BY_START, CALLEES, DIVIDED, NAMES, NOT_A_VALUE


class Evidence(IntEnum):
    """What a line may contain, to judge by its words: bits, of which several may be set."""

    NAME = 1
    """The name of a secret (secret_kinds.NAMES)."""
    VENDOR = 2
    """A vendor's name, which counts only beside something long."""
    CALL = 4
    """The end of the name of a call that takes a password."""
    PAIR = 8
    """`auth = ("user", "…")`"""
    SAID = 16
    """`log in as admin / …`"""
    COMMAND = 32
    """A command that takes a password without an option."""
    SCHEME = 64
    """`Bearer …`"""
    OTHER = 128
    """Anything else worth a search: the prefix of a key of a known format, a long word, the names of some functions."""


_WORD = re.compile(r"[^\W\d]+")
_DIVIDED = re.compile(
    r"session-id|connection-string|conn-str|pin[ -]code|(?:seed|recovery) phrase|identified\s+(?:by|with)|"
    + DIVIDED,
    re.IGNORECASE,
)
"""Names of several words, of which no single word is a name."""
_DIVIDED_WORDS = (
    "session",
    "connection",
    "conn",
    "pin",
    "seed",
    "recovery",
    "identified",
    "passe",
    "sandi",
    "khẩu",
    "khau",
    "المرور",
    "السر",
    "รห",
    "प",
    "contrasen",
    "senord",
)
_ENDS_OF_CALLS = tuple({_WORD.findall(callee)[-1] for callee in CALLEES})
_PAIRS = ("auth", "login", "credential", "userpass")
_SAYS = ("log", "login", "credential", "credentials", "creds", "user", "username", "sign", "with", "use")
_COMMANDS = """
vault cargo vsce ovsx wrangler railway vercel snyk ngrok heroku infracost rabbitmqctl wpa_passphrase htpasswd runas
psexec nmcli npm yarn poetry lftp iwconfig sqlplus impdp expdp sqlldr rclone configure consul plaintext community
privilege ikev isakmp securestring sasl smbclient sp_addlogin sp_password keyvault parameter login echo
"""
_COMMAND_WORDS = tuple(_COMMANDS.split())
_SHORT_COMMANDS = frozenset(("mc", "net", "send", "expect"))
_OTHERS = (
    "insert",
    "kind",
    "buffer",
    "tochararray",
    "eyj",
    "zxlk",
    "seed",
    "mnemonic",
    "phrase",
    "words",
    "wallet",
    "wifi",
)
_PREFIXES = [
    prefix for entries in BY_START.values() for prefix, _ in entries if not re.search(r"[\d-]", prefix)
]
_STARTS = tuple(prefix for prefix in _PREFIXES if "." not in prefix)
_STARTS_WITH_POINT = frozenset(prefix.partition(".")[0] for prefix in _PREFIXES if "." in prefix)
_LONG_WORD = 20
_NEEDS_A_LOOK = re.compile(r"[/@$\\^`-]|on >|<<<|:\*:|[\w.~+=]{3}\d|\d[\w.~+=]{3}")
"""What words cannot tell: URLs, options, and digits within something longer."""
_MOST_WORDS, _LONGEST_WORD, _OVERLAP = 65536, 64, 32
_OF_NO_ACCESS = (
    "change",
    "lock",
    "next",
    "page",
    "pagination",
    "continuation",
    "idempotency",
    "cancellation",
)
_REST_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_judged: dict[str, int] = {}
"""The verdict on each word met lately: bits of Evidence."""
_silent: set[str] = set()
"""The words among them whose verdict is 0."""


def is_plain(text: str) -> bool:
    """Whether a whole line can neither contain a secret nor announce one on the next line. True for most lines."""
    return _NEEDS_A_LOOK.search(text) is None and _silent.issuperset(_WORD.findall(text))


def evidence_in(text: str) -> int:
    """What a line may contain, to judge by its words: bits of Evidence."""
    words = _WORD.findall(text)
    if _silent.issuperset(words):
        return 0
    evidence = 0
    for word in words:
        for start in range(0, len(word), _LONGEST_WORD):
            evidence |= _evidence_of(word[start : start + _LONGEST_WORD + _OVERLAP])
    if evidence & _DIVIDED_FLAG:
        evidence = evidence & ~_DIVIDED_FLAG | (Evidence.NAME if _DIVIDED.search(text) else 0)
    return evidence


_DIVIDED_FLAG = 1024


def _evidence_of(word: str) -> int:
    evidence = _judged.get(word)
    if evidence is None:
        if len(_judged) >= _MOST_WORDS:
            _judged.clear()
            _silent.clear()
        evidence = _judged[word] = _judge(word)
        if not evidence:
            _silent.add(word)
    return evidence


def _judge(word: str) -> int:
    lower, evidence = word.lower(), 0
    for name in NAMES.finditer(word):
        if is_whole(name[0], word[name.end() :]):
            evidence |= Evidence.VENDOR if name.lastgroup == "vendor" else Evidence.NAME
    if lower.endswith(_ENDS_OF_CALLS):
        evidence |= Evidence.CALL
    if any(part in lower for part in _PAIRS):
        evidence |= Evidence.PAIR
    if lower.endswith(_SAYS) or evidence & Evidence.NAME:
        evidence |= Evidence.SAID
    if lower.endswith(("basic", "bearer", "token", "key", "digest", "negotiate")):
        evidence |= Evidence.SCHEME
    if lower in _SHORT_COMMANDS or any(part in lower for part in _COMMAND_WORDS):
        evidence |= Evidence.COMMAND
    if (
        len(word) >= _LONG_WORD
        or word in _STARTS_WITH_POINT
        or word.startswith(_STARTS)
        or any(part in lower for part in _OTHERS)
    ):
        evidence |= Evidence.OTHER
    return evidence | (_DIVIDED_FLAG if lower.endswith(_DIVIDED_WORDS) else 0)


def is_whole(name: str, rest: str) -> bool:
    """Whether a name ends where a word does: `token`, `tokens`, `tokenValue`, but not `tokenizer`."""
    if not rest or not rest[0].isalpha():
        return True
    if rest[0] in "sS" and not rest[1:2].isalpha():
        return True
    return name[-1].islower() and rest[0].isupper()


def grants_no_access(text: str, start: int) -> bool:
    """Whether a token is only a position in a list or an attempt: `ChangeToken`, `next_token`."""
    return text[max(0, start - 16) : start].lower().rstrip("_-").endswith(_OF_NO_ACCESS)


def is_public(text: str, start: int) -> bool:
    return text[max(0, start - 7) : start].lower().rstrip("_-. ").endswith("public")


def is_about(rest: str) -> bool:
    """Whether a name continues so that its value is something about the secret: `password_file`."""
    words = (word.lower() for word in _REST_WORD.findall(rest))
    return any(word in NOT_A_VALUE or word.removesuffix("s") in NOT_A_VALUE for word in words)
