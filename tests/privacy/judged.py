"""Asks a new policy about a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aix_lsp.privacy.policy import Privacy
from aix_lsp.settings import Settings


def inactive_reason(uri: str, settings: Settings, roots: Sequence[Path] = ()) -> str | None:
    """Why nothing of a file may be sent; None if it may."""
    return Privacy(lambda: roots).inactive_reason(uri, settings)
