"""Turns a failed request to a completions server into a message for the user, with the fix. Pure: no connections."""

from __future__ import annotations

import html
import json
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

from aix_lsp.backends.address import Address
from aix_lsp.backends.base import BackendError, BackendUnavailable, Trouble
from aix_lsp.logs import printable

LONGEST_BODY = 16 << 10
"""Characters of an answer that are searched for what is wrong."""
_LONGEST_QUOTE = 300
_LONGEST_WAIT_S = 3600.0
_MOST_WORDS = 20
_MEANINGS: dict[int, tuple[str, str, Trouble | None]] = {
    400: ("refuses the request", "", "failing"),
    401: ("refuses the key", "set aix.apiKey or AIX_LSP_API_KEY", "refused"),
    402: ("requires payment", "check your account there, or change aix.url", "refused"),
    403: ("refuses the key", "set aix.apiKey or AIX_LSP_API_KEY", "refused"),
    404: ("has no such endpoint or model", "check aix.url and aix.remoteModel", "refused"),
    405: ("has no such endpoint or model", "check aix.url and aix.remoteModel", "refused"),
    407: ("cannot be reached, because the proxy requires a password", "put it in HTTPS_PROXY or HTTP_PROXY", "refused"),
    410: ("has no such endpoint or model", "check aix.url and aix.remoteModel", "refused"),
    413: ("rejects the prompt as too long", "lower aix.prefixLines, aix.suffixLines or aix.contextTokens", "failing"),
    422: ("rejects the request as invalid", "lower aix.prefixLines, aix.suffixLines or aix.contextTokens", "failing"),
    429: ("limits the rate of requests", "", "throttled"),
}  # fmt: skip
_NOT_NOW = (408, 425, 429, 502, 503, 504)
_NOT_READY = (408, 425, 503)
_WORDS = (
    "error", "errors", "message", "msg", "detail", "details", "error_message", "error_description", "fault",
    "faultstring", "reason", "title",
)  # fmt: skip
"""Fields in which servers put error messages."""


def unreachable(error: Exception, address: Address, proxy: str = "", authorities: str = "") -> BackendError:
    """No answer at all: the connection failed, or broke before an answer came.

    `authorities` says what is wrong with the user's own certificate authorities, if anything.
    """
    through = f" through the proxy {proxy}" if proxy else ""
    if (problem := _certificate_problem(error)) is not None:
        return BackendError(
            f"The certificate of {address} is not trusted: {problem}. "
            + (authorities or "Set SSL_CERT_FILE, SSL_CERT_DIR or REQUESTS_CA_BUNDLE to its authority."),
            trouble="refused",
        )
    if _speaks_no_tls(error):
        return BackendError(f"{address} does not speak TLS: use http:// in aix.url.", trouble="refused")
    status = getattr(error, "status", 0)
    if proxy and isinstance(status, int) and status >= 400:
        return BackendError(
            f"The proxy {proxy} refuses to connect to {address} ({status}). Check HTTPS_PROXY and HTTP_PROXY, or "
            "name the host in NO_PROXY.",
            trouble="refused" if status in (401, 403, 407) else "away",
            status=status,
        )
    if isinstance(error, ValueError):
        mend = "check HTTP_PROXY and HTTPS_PROXY" if proxy else "check aix.url"
        return BackendError(f"{address} cannot be used{through} ({error}); {mend}.", trouble="refused")
    why = _reason(error)
    mend = "" if address.socket else " Start the server there, or change aix.url."
    return BackendUnavailable(f"{address} cannot be reached{through}: {why}.{mend}", trouble="away")


def cut_off(error: Exception, address: Address) -> BackendError:
    """The answer began but broke off."""
    if isinstance(error, TimeoutError):
        return BackendUnavailable(f"{address} stopped sending in the middle of an answer.", trouble="failing")
    return BackendUnavailable(
        f"{address} closed the connection in the middle of an answer ({type(error).__name__}).",
        trouble="away",
    )


def refused(
    status: int, body: str, address: Address, headers: Mapping[str, str] | None = None
) -> BackendError:
    """An answer with an error status."""
    not_now = status in _NOT_NOW
    meaning, mend, trouble = _MEANINGS.get(
        status,
        ("is not ready" if not_now else "failed", "", "throttled" if status in _NOT_READY else "failing"),
    )
    retry_after_s = retry_after(headers or {}) if trouble == "throttled" or status >= 500 else None
    text = f"{address} {meaning} ({status})" + (f": {mend}" if mend else "")
    if retry_after_s is not None and retry_after_s >= 1:
        text += f", and no new request for {retry_after_s:.0f} s"
    message = ". ".join(part for part in (text, words(body)) if part)
    kind = BackendUnavailable if not_now else BackendError
    return kind(
        message, trouble=trouble, status=status, retry_after_s=retry_after_s, body=body[:LONGEST_BODY]
    )


def says_error(event: Any) -> bool:
    """Whether an answer without a completion reports an error, in any form."""
    return any(True for _ in _error_words(event))


def not_a_completion(event: Any, address: str = "The server") -> BackendError:
    """An answer with a success status but no completion; it may contain an error in some form."""
    try:
        body = json.dumps(event, ensure_ascii=False)[:LONGEST_BODY]
    except RecursionError:
        body = "something that nests too deeply"
    said = _words_in(event)
    if not said:
        return BackendError(
            f"{address} returned something that is not a completion; check aix.url. It says: {_line(body)[:80]}",
            trouble="failing",
            body=body,
        )
    status = _status_in(event)
    trouble: Trouble | None = "failing"
    if status in _MEANINGS:
        trouble = _MEANINGS[status][2]
    return BackendError(f"{address} failed: {said}", trouble=trouble, status=status, body=body)


def words(body: str) -> str:
    """The server's own error message, from JSON of any shape, a web page, or text."""
    text = body[:LONGEST_BODY].strip()
    if re.match(r"<(!doctype|html|\?xml|head|body)", text, re.IGNORECASE):
        # No pattern here passes over a bracket that opens: else each of many would be a search to the end.
        title = re.search(r"<title[^<>]*>([^<]*)", text, re.IGNORECASE)
        shown = title[1] if title else re.sub(r"<[^<>]*>", " ", text)
        return f"a web page, {_line(html.unescape(shown[:2000]))!r}"[:_LONGEST_QUOTE]
    try:
        said = _words_in(json.loads(text))
    except (ValueError, RecursionError):
        said = ""
    return said or _line(text)[:_LONGEST_QUOTE]


def _words_in(found: Any) -> str:
    """The error messages in a JSON value, in one line."""
    parts = islice(_error_words(found), _MOST_WORDS)
    said = dict.fromkeys(line for part in parts if (line := _line(part[:LONGEST_BODY])))
    return ", ".join(said)[:_LONGEST_QUOTE]


def _line(text: str) -> str:
    """A server's text in one line that does nothing but be shown."""
    return " ".join(printable(text, instead=" ").split())


def _error_words(found: Any, depth: int = 0) -> Iterator[str]:
    """The messages of an error somewhere in a JSON value."""
    if depth > 6:
        return
    if isinstance(found, str):
        if depth:
            yield found
    elif isinstance(found, list):
        for item in found[:4]:
            yield from _error_words(item, depth if isinstance(item, dict) else depth + 1)
    elif isinstance(found, dict):
        for key in _WORDS:
            if found.get(key):
                yield from _error_words(found[key], depth + 1)
        location = found.get("loc")  # pydantic's: `msg` says what is wrong, `loc` where
        if isinstance(location, list):
            yield ".".join(str(part) for part in location if isinstance(part, str | int))


def _status_in(event: Any) -> int:
    """The HTTP status that an error object contains, or 0."""
    error = event[0] if isinstance(event, list) and event else event
    for _ in range(2):
        if not isinstance(error, dict):
            break
        for key in ("code", "status", "status_code", "statusCode"):
            value = error.get(key)
            if isinstance(value, int | str) and re.fullmatch(r"[45]\d\d", str(value)):
                return int(value)
        kind = f"{error.get('type', '')} {error.get('code', '')}".lower()
        for sign, status in (("api_key", 401), ("authentication", 401), ("quota", 429), ("rate_limit", 429)):
            if sign in kind:
                return status
        error = error.get("error")
    return 0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait (RFC 9110, section 10.2.3), or None."""
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = lowered.get(name, "")
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return min(float(value) * scale, _LONGEST_WAIT_S)
    try:
        until = parsedate_to_datetime(lowered.get("retry-after", ""))
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        wait_s = (until - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, wait_s), _LONGEST_WAIT_S)


def _reason(error: Exception) -> str:
    """Why a connection failed, in the system's words rather than in those of a library."""
    inner = getattr(error, "os_error", None) or error
    if isinstance(inner, OSError) and inner.errno is not None and inner.errno > 0:
        return os.strerror(inner.errno)
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror  # a name that cannot be resolved
    return str(error) or type(error).__name__


def _speaks_no_tls(error: Exception) -> bool:
    inner = getattr(error, "os_error", None) or error
    return isinstance(inner, ssl.SSLError) and inner.reason in (
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
    )


def _certificate_problem(error: Exception) -> str | None:
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return inner.verify_message or str(inner)
    return None
