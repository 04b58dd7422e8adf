"""Hints once, in the first days, that a better model than the embedded one fits this computer."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from aix_lsp.files import read_json
from aix_lsp.models.listing import Catalogued, catalogued
from aix_lsp.paths import state_dir

_FILE = "model-hint.json"
_DAYS = 14
"""Days after the first one; later, users know what they want."""
_QUICK_MS, _BEARABLE_MS = 150.0, 2500.0
"""Acceptable times to the first text: after a keystroke, and after a jump."""


def due(today: date | None = None) -> str:
    """The hint, if it is to be shown now; it is returned only once, and not on the first day. Otherwise empty.

    There is no hint if this cannot be recorded.
    """
    try:
        return _due(state_dir() / _FILE, today or date.today())
    except OSError:
        return ""


def _due(file: Path, today: date) -> str:
    try:
        saved = read_json(file, 1 << 12)
        days = (today - date.fromisoformat(saved["since"])).days
    except (OSError, ValueError, KeyError, TypeError):
        file.write_text(json.dumps({"since": today.isoformat(), "shown": False}), "utf-8")
        return ""
    if saved.get("shown") or not 0 < days <= _DAYS:
        return ""
    best = better()
    if best is None:
        return ""
    file.write_text(json.dumps({**saved, "shown": True}), "utf-8")
    return (
        f"a better model fits this computer: {best.entry.name} ({best.entry.source().gb:g} GB to download); choose it "
        "with your editor's command for models, or run `aix-lsp models`"
    )


def better() -> Catalogued | None:
    """Of the models that fit, are measured to be fast enough, and may be used for any work: the largest of the family
    that comes first in the catalogue.
    """
    found = [one for one in catalogued() if _suits(one)]
    family = found[0].entry.family if found else ""
    return max((one for one in found if one.entry.family == family), key=_size, default=None)


def _size(one: Catalogued) -> float:
    return one.entry.billions


def _suits(one: Catalogued) -> bool:
    fit, entry = one.fit, one.entry
    if entry.gated or entry.licence.limited or not fit.fits or fit.key_ms is None or fit.cold_ms is None:
        return False
    return fit.key_ms <= _QUICK_MS and fit.cold_ms <= _BEARABLE_MS
