"""Generates Python files for the training tests: similar enough to be learned, but not copies."""

from __future__ import annotations

from pathlib import Path
from random import Random

_NOUNS = ["window", "buffer", "reader", "socket", "parser", "record", "button", "folder", "letter", "signal"]
_VERBS = ["open", "close", "read", "write", "parse", "send", "draw", "move", "count", "merge"]


def write_package(root: Path, files: int, functions: int = 25, seed: int = 0) -> None:
    """Write `files` modules of `functions` functions each under `root`."""
    rng = Random(seed)
    root.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        text = "".join(_function(rng) for _ in range(functions))
        (root / f"{rng.choice(_NOUNS)}_{number}.py").write_text(text)


def _function(rng: Random) -> str:
    noun, verb, other = rng.choice(_NOUNS), rng.choice(_VERBS), rng.choice(_NOUNS)
    again = rng.choice(_VERBS)
    return (
        f"def {verb}_{noun}({noun}: str, {other}_list: list[str]) -> int:\n"
        f'    """{verb.title()} the {noun} of each {other}, then {again} it."""\n'
        f"    total = 0\n"
        f"    for {other} in {other}_list:\n"
        f"        total += {again}_{other}({noun}, {other})\n"
        f"    return total\n\n\n"
    )
