"""What a failed request to a completions server means to the user, and what mends it."""

from __future__ import annotations

import json
import ssl

from aix_lsp.backends.address import Address
from aix_lsp.backends.base import BackendError, BackendUnavailable

_LATER = (408, 425, 429, 502, 503, 504)
_MEANING = {
    401: "refuses the key",
    403: "refuses the key",
    404: "has no such endpoint or model",
    405: "has no such endpoint or model",
    413: "finds the prompt too long",
    422: "finds the prompt too long",
}
_MENDS = (
    ((401, 403), ": set aix.apiKey or AIX_LSP_API_KEY"),
    ((404, 405), ": check aix.url and aix.remoteModel"),
    ((413, 422), ": lower aix.prefixLines, aix.suffixLines or aix.contextTokens"),
)


def unreachable(error: Exception, address: Address) -> BackendError:
    """No answer at all: the connection could not be made, or died before one came."""
    if _is_certificate(error):
        return BackendError(
            f"The certificate of {address} is not trusted. Name its authority in SSL_CERT_FILE. ({error})"
        )
    if isinstance(error, ValueError):
        return BackendError(f"{address} cannot be asked ({error}); check aix.url.")
    why = str(error) or type(error).__name__
    mend = "" if address.socket else " Start the server there, or change aix.url."
    return BackendUnavailable(f"{address} cannot be reached: {why}.{mend}")


def cut_off(error: Exception, address: Address) -> BackendError:
    """The answer had begun and did not come to its end."""
    if isinstance(error, TimeoutError):
        return BackendUnavailable(f"{address} has gone silent in the middle of an answer.")
    return BackendUnavailable(f"{address} broke off in the middle of an answer ({type(error).__name__}).")


def refused(status: int, body: str, address: Address) -> BackendError:
    """An answer with an error status."""
    said = _message(body)
    later = status in _LATER
    text = f"{address} {_MEANING.get(status, 'is not ready' if later else 'failed')} ({status})"
    mend = next((mend for statuses, mend in _MENDS if status in statuses), "")
    message = ". ".join(part for part in (text + mend, said) if part)
    return BackendUnavailable(message) if later else BackendError(message)


def _message(body: str) -> str:
    """What the server says, in the forms that OpenAI-style servers use."""
    try:
        found = json.loads(body)
    except ValueError:
        return body.strip()[:300]
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and key in found:
            found = found[key]
    return (found if isinstance(found, str) else json.dumps(found))[:300]


def _is_certificate(error: Exception) -> bool:
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    return isinstance(inner, ssl.SSLCertVerificationError)
