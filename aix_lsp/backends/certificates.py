"""Finds the certificate authorities to check a server's certificate against, by the environment's variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aix_lsp.backends.base import BackendError
from aix_lsp.files import is_regular

if TYPE_CHECKING:
    import ssl

_LARGEST = 64 << 20
_OTHER_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def missing_authorities() -> str:
    """What is wrong with the certificate authorities that OpenSSL was given, if anything."""
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        named = os.environ.get(variable)
        if named and not any(Path(part).exists() for part in named.split(os.pathsep)):
            return f"{variable} names {named}, which does not exist."
    return ""


def tls_context() -> ssl.SSLContext:
    """How certificates are checked. Raises BackendError where a variable names authorities that cannot be read."""
    import ssl

    _check("SSL_CERT_FILE")
    # OpenSSL itself reads SSL_CERT_FILE and SSL_CERT_DIR.
    context = ssl.create_default_context()
    for variable in _OTHER_BUNDLES:
        bundle = os.environ.get(variable)
        if not bundle:
            continue
        _check(variable)
        try:
            if Path(bundle).is_dir():
                context.load_verify_locations(capath=bundle)
            else:
                context.load_verify_locations(cafile=bundle)
        except OSError as error:  # ssl.SSLError is one
            raise _unreadable(variable, error.strerror or str(error)) from error
        break
    return context


def _check(variable: str) -> None:
    """Refuse what OpenSSL would wait for, or read without end, on the event loop."""
    bundle = Path(os.environ.get(variable) or "/")
    if not bundle.exists() or bundle.is_dir():
        return
    if not is_regular(bundle) or bundle.stat().st_size > _LARGEST:
        raise _unreadable(variable, "it is not a regular file, or too large")


def _unreadable(variable: str, why: str) -> BackendError:
    return BackendError(
        f"{variable} names {os.environ[variable]}, whose certificates cannot be read ({why}).",
        trouble="refused",
    )
