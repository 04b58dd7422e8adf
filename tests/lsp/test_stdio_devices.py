"""Standard streams that are not pipes do not hang the program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lsp.program import PATIENCE_S, PROGRAM


@pytest.mark.skipif(sys.platform == "win32", reason="closes descriptors as only a Unix shell can")
@pytest.mark.parametrize("redirections", ["< /dev/null", "< /dev/null > /dev/null", "< /dev/null 2>&-"])
def test_streams_that_no_loop_can_watch(redirections: str) -> None:
    source = PROGRAM.format(extra="", parent_pid=None)
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {redirections}', sys.executable, source],
        timeout=PATIENCE_S,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 1
