"""Reads the licence that a package declares in its metadata. Knows nothing of downloading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import PackageMetadata

# A package under one of these is left out even if another licence is named beside it, to be on the safe side.
_REFUSED = re.compile(
    r"\b(?:A?GPL|LGPL|GNU|MPL|EPL|CDDL|EUPL|SSPL|BUSL|Commons Clause|non-?commercial)", re.I
)


def is_allowed(licence: str, allowed: Sequence[str]) -> bool:
    """Whether every part of the licence is permissive; of alternatives joined by OR, one is enough."""
    for alternative in re.split(r"\s+OR\s+|\s/\s", licence):
        known = any(re.search(rf"(?<![A-Za-z]){re.escape(name)}", alternative, re.I) for name in allowed)
        if known and not _REFUSED.search(alternative):
            return True
    return False


def of_python(metadata: PackageMetadata) -> str:
    """From `License-Expression`, otherwise the classifiers, otherwise the first line of `License`."""
    expression = metadata.get_all("License-Expression")
    if expression:
        return str(expression[0])
    classifiers = [c for c in metadata.get_all("Classifier") or [] if c.startswith("License ::")]
    named = [c.rsplit(" :: ", 1)[-1] for c in classifiers if not c.endswith("OSI Approved")]
    first = str((metadata.get_all("License") or [""])[0]).strip().partition("\n")[0]
    return " AND ".join(named) or first


def of_debian(copyright_file: str) -> str:
    """The licence of `Files: *` in a machine-readable copyright file, or "" if it isn't one.

    Format: "Machine-readable debian/copyright file", version 1.0.
    """
    for stanza in re.split(r"\n\s*\n", copyright_file):
        if re.search(r"^Files:\s*\*", stanza, re.M):
            found = re.search(r"^License:\s*(.+)$", stanza, re.M)
            return found.group(1).strip().replace(" or ", " OR ").replace(" and ", " AND ") if found else ""
    return ""
