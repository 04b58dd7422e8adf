"""The quick part of `make test-cpus`: on an emulated CPU without VNNI and bf16, correct kernels are recognised."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("older_cpus.sh")
MISSING = shutil.which("qemu-x86_64") is None or platform.machine() != "x86_64"


@pytest.mark.skipif(
    MISSING, reason="qemu-x86_64 is not installed here (Debian's qemu-user); see `make test-cpus`"
)
def test_kernels_are_right_or_left_out_on_haswell() -> None:
    tests = [
        f"tests/engine/model/test_quantize.py::{name}"
        for name in (
            "test_float32_and_some_int8_kernel_are_right_on_every_cpu",
            "test_no_overflow_at_the_largest_codes",
        )
    ]
    # Imports are emulated too: these tests need no plugins and no fixtures, which are a third of all instructions.
    ran = subprocess.run(
        [SCRIPT, sys.executable, "--noconftest", *tests],
        env={**os.environ, "CPUS": "Haswell", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # FBGEMM's sums overflow there with 8-bit codes, and there is no bf16.
    assert "test_no_overflow_at_the_largest_codes[int8 fbgemm]" not in ran.stdout
    assert " passed" in ran.stdout
