"""The builder's priority, in a process of its own: it cannot be taken back."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ASKED = """
import os
from aix_lsp.completion.context.index.build import run_idle
run_idle()
print(os.nice(0))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has classes instead of niceness")
@pytest.mark.parametrize(("leads_session", "niceness"), [(True, 19), (False, os.nice(0))])
def test_everybody_else_goes_first(leads_session: bool, niceness: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ASKED],
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=leads_session,
    )
    assert ran.stdout.strip() == str(niceness), ran.stderr


def test_an_index_that_is_built_in_another_program_leaves_its_priority_alone() -> None:
    busy = (
        "import os, time\nfrom aix_lsp.completion.context.index.build import _Reporter\n"
        "while time.process_time() < 1.1: pass\n"
        "_Reporter(own_process=False)(1, 2)\nprint('niceness', os.nice(0))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", busy], capture_output=True, text=True, timeout=60, start_new_session=True
    )
    assert ran.stdout.splitlines()[-1] == f"niceness {os.nice(0)}", ran.stderr
