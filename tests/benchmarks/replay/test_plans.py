"""Plans reproduce the file, in any language and indentation; the typing rhythm is the same for every server."""

from __future__ import annotations

import statistics

import pytest

from benchmarks.replay.pairs import Import, imports
from benchmarks.replay.person import keys_alone
from benchmarks.replay.plans import Plan, indent_of, plan
from benchmarks.replay.typing_model import MEDIAN_S, TypingModel, moment_of
from tests.client.typist import Typist

PYTHON = "\n".join(
    f"class Shape{n}(Base):\n    def area(self, scale: float = 1.0) -> float:\n"
    f'        """The area of shape {n}."""\n        if scale < {n}:\n            return self.width * scale\n'
    f"        return sum(part.area(scale) for part in self.parts[{n}:])\n"
    for n in range(12)
)
TYPESCRIPT = "\n".join(
    f"export function shape{n}(options: Options): number {{\n  const {{ width, height }} = options;\n"
    f"  if (width > {n}) {{\n    return Math.max(width, height) * {n};\n  }}\n"
    f"  return options.parts.map((part) => part.area({n})).length;\n}}\n"
    for n in range(12)
)


def typed(found: Plan) -> str:
    """The text that results from typing the plan."""
    buffer = found.buffer()
    for index, piece in enumerate(found.script.pieces):
        buffer.move(found.script.place(index))
        buffer.replace(buffer.cursor, buffer.cursor + len(piece.old), "")
        typist = Typist(buffer, found.script.finished[piece.start : piece.end])
        while typist.remaining:
            typist.step()
        assert buffer.text == found.script.after(index)
    return buffer.text


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("text", "language"),
    [(PYTHON, "python"), (TYPESCRIPT, "typescript"), (TYPESCRIPT.replace("  ", "\t"), "typescript")],
)
def test_a_plan_types_the_file_back(text: str, language: str, seed: int) -> None:
    found = plan("file", text, language, seed)
    assert found is not None
    assert len(found.script.pieces) >= 3
    assert found.script.beginning() != text
    assert typed(found) == text


def test_some_plans_delete_existing_text() -> None:
    plans = [plan("file", PYTHON, "python", seed) for seed in range(10)]
    assert any(piece.old for found in plans if found for piece in found.script.pieces)


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan("file", PYTHON, "python", 3) == plan("file", PYTHON, "python", 3)
    assert plan("file", PYTHON, "python", 3) != plan("file", PYTHON, "python", 4)


def test_with_names_every_piece_uses_one() -> None:
    found = plan("file", PYTHON, "python", 1, ["scale"])
    assert found is not None
    assert all("scale" in PYTHON[piece.start : piece.end] for piece in found.script.pieces)


@pytest.mark.parametrize(
    ("text", "indent"),
    [(PYTHON, "    "), (TYPESCRIPT, "  "), (TYPESCRIPT.replace("  ", "\t"), "\t"), ("a\nb\n", "    ")],
)
def test_indentation(text: str, indent: str) -> None:
    assert indent_of(text) == indent


def test_hands_depend_on_the_place_alone() -> None:
    one, other = TypingModel("1:a.py:0"), TypingModel("1:a.py:0")
    forwards = [one.pause_s(place, "letter") for place in range(50)]
    backwards = [other.pause_s(place, "letter") for place in reversed(range(50))]
    assert forwards == backwards[::-1]
    assert TypingModel("2:a.py:0").pause_s(0, "letter") != forwards[0]


def test_pauses_have_the_documented_medians() -> None:
    pauses = [TypingModel("seed").pause_s(place, "line") for place in range(2000)]
    assert abs(statistics.median(pauses) - MEDIAN_S["line"]) < 0.05
    assert [moment_of(key) for key in "a_ (\n"] == ["letter", "letter", "symbol", "symbol", "line"]


def test_slips_begin_with_a_wrong_letter_and_cost_keys() -> None:
    text = "alphabet" * 400
    slips = [
        (place, slip) for place in range(len(text)) if (slip := TypingModel("s").slip(place, text[place:]))
    ]
    assert 0.004 < len(slips) / len(text) < 0.03
    assert all(slip[0] != text[place] for place, slip in slips)
    assert all(text[place + 1 :].startswith(slip[1:]) for place, slip in slips)
    found = plan("file", PYTHON, "python", 1)
    assert found is not None
    counts = {keys_alone(found, str(seed)) for seed in range(12)}
    assert len(counts) > 1


def test_imports_of_a_package() -> None:
    files = {"pkg/a.py", "pkg/sub/__init__.py", "pkg/sub/b.py", "lib/x.js", "src/y.ts", "src/z/index.ts"}
    python = (
        "from .b import One, two as deux\nfrom ..a import (\n    Three,  # why\n    four,\n)\n"
        "import os\nfrom pkg.sub import five\n"
    )
    assert imports("pkg/sub/c.py", python, "python", files) == [
        Import("pkg/sub/b.py", ("One", "deux")),
        Import("pkg/a.py", ("Three", "four")),
        Import("pkg/sub/__init__.py", ("five",)),
    ]
    script = "const { one, two: deux } = require('./x');\nconst fs = require('fs');\n"
    assert imports("lib/w.js", script, "javascript", files) == [Import("lib/x.js", ("one", "deux"))]
    typed_script = "import type { A, B as C } from './y'\nimport d from '../src/z'\n"
    assert imports("src/w.ts", typed_script, "typescript", files) == [
        Import("src/y.ts", ("A", "C")),
        Import("src/z/index.ts", ("d",)),
    ]
