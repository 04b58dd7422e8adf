from __future__ import annotations

import importlib.util

import pytest

NEEDS_RAY = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed (pip install 'aix-lsp[cluster]')"
)
"""Whether Ray is installed. Not imported: that takes seconds in each process that collects tests."""
