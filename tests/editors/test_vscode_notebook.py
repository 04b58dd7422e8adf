"""A notebook in the real VS Code workbench: ghost text in a cell, with the other cells as its context."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.editors import workbench
from tests.editors.test_vscode import settled_ghost
from tests.editors.workbench import Workbench

pytestmark = [pytest.mark.slow_editor, pytest.mark.timeout(500)]

CELLS = ("def add(a, b):\n    return a + b", "def subtract(a, b):\n    return")


def cell(number: int, source: str) -> dict[str, Any]:
    lines = source.splitlines(keepends=True)
    told: dict[str, Any] = {
        "cell_type": "code",
        "id": f"cell-{number}",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
    }
    return told | {"source": lines}


def notebook() -> str:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    cells = [cell(number, source) for number, source in enumerate(CELLS)]
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def test_ghost_text_in_a_cell(tmp_path: Path, engine_home: Path) -> None:
    if missing := workbench.missing():
        pytest.skip(missing)
    editors = {"workbench.editorAssociations": {"*.ipynb": "jupyter-notebook"}}
    window = Workbench(tmp_path, engine_home, "book.ipynb", notebook(), editors)
    try:
        window.wait(lambda: "embedded" in window.do("status"), "a status bar with the model", 240)
        window.do("click", selector=".cell-list-container .monaco-editor .view-lines >> nth=1")
        window.do("press", key="Control+End")
        window.do("type", text=" ")
        ghost = settled_ghost(window)
        window.do("screenshot", path=str(tmp_path / "notebook.png"))
        window.do("press", key="Tab")
        window.wait(lambda: window.do("ghost") != ghost, "accepted text")
        sources = ["".join(each["source"]) for each in json.loads(window.saved())["cells"]]
        assert sources == [CELLS[0], f"{CELLS[1]} {ghost}"]
    finally:
        window.close()
