"""The models used in tests. `SMALL` is trained (6.5 M parameters) and never changes, so that the shipped one may."""

from __future__ import annotations

from pathlib import Path

SMALL = Path(__file__).parent / "small"
