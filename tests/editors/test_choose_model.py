"""Choosing a model from the catalogue in each editor: list, licence prompt, download from a real server, first use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aix_lsp.models.catalogue import find
from tests.editors import workbench
from tests.editors.emacs import OWN, Emacs
from tests.editors.neovim_plugin import SOURCE, PluginNeovim, executable, start
from tests.editors.workbench import Workbench
from tests.models import SMALL
from tests.models.hub import Hub, serving

NAME = "mellum-4b"
ENTRY = find(NAME)
assert ENTRY is not None
REPOSITORY = ENTRY.safetensors.repository

pytestmark = pytest.mark.timeout(400)

PICK = """
asked = {}
vim.ui.select = function(items, options, on_choice)
  local shown = vim.tbl_map(options.format_item or tostring, items)
  table.insert(asked, { prompt = options.prompt, shown = shown })
  for index, text in ipairs(shown) do
    if text:find(wanted, 1, true) == 1 then
      return on_choice(items[index], index)
    end
  end
  on_choice(nil)
end
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A small model in place of the catalogue's, for every program started from here on."""
    files = {file.name: file.read_bytes() for file in SMALL.iterdir() if file.is_file()}
    with serving(Hub({REPOSITORY: files})) as hub:
        for name, value in variables(hub, tmp_path).items():
            monkeypatch.setenv(name, value)
        for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "OLLAMA_MODELS", "LLAMA_CACHE"):
            monkeypatch.delenv(name, raising=False)
        yield hub


def variables(hub: Hub, home: Path) -> dict[str, str]:
    return {"HF_HOME": str(home / "hf"), "HF_ENDPOINT": hub.url, "OLLAMA_MODELS": str(home / "ollama")}


@pytest.mark.parametrize("version", [pytest.param("0.10", marks=pytest.mark.slow_editor), "0.11"])
def test_neovim(version: str, hub: Hub, tmp_path: Path, fresh_home: Path) -> None:
    editor = PluginNeovim(executable(version), tmp_path / "nvim", fresh_home, "{ ghost = 'own' }")
    try:
        editor.lua("told = {} vim.notify = function(text) table.insert(told, text) end")
        editor.lua(PICK)
        start(editor, "chosen.py")
        editor.lua("wanted = 'nothing of this name'")
        editor.api.command("AixLsp model")
        editor.wait(lambda: len(editor.lua("return asked")) == 1, "the list", 110)
        (first,) = editor.lua("return asked")
        assert first["prompt"] == "Model (now embedded)"
        assert any(
            line.startswith("qwen2.5-coder-0.5b ") and "0.49 G weights" in line for line in first["shown"]
        )
        editor.lua(f"wanted = '{NAME}'")
        editor.api.command("AixLsp model")
        editor.wait(lambda: len(editor.lua("return asked")) == 3, "the question about the licence", 110)
        question = editor.lua("return asked")[2]
        assert "Apache License 2.0" in question["prompt"] and question["shown"][1] == "Cancel"
        assert hub.asked == [], "nothing before it is agreed to"
        editor.lua(
            "local select = vim.ui.select vim.ui.select = function(items, options, on_choice) "
            f"wanted = options.kind and '{NAME}' or 'Download' return select(items, options, on_choice) end"
        )
        editor.api.command("AixLsp model")
        editor.wait(
            lambda: editor.lua("return require('aix_lsp').statusline()") == f"aix {NAME}",
            "the model in use",
            240,
        )
        assert any("to keep it" in text for text in editor.lua("return told"))
        editor.insert_at_end(" ")
        assert editor.settled_ghost()
    finally:
        editor.close()


def test_emacs(hub: Hub, tmp_path: Path, fresh_home: Path) -> None:
    environment = "\n".join(
        f'(setenv "{name}" "{value}")' for name, value in variables(hub, tmp_path).items()
    )
    editor = Emacs(tmp_path, fresh_home, f"{environment}\n{OWN}")
    try:
        editor.keys("M-x")
        editor.type("aix-lsp-choose-model\n")
        editor.wait_screen("Model (now embedded)", within=110)
        editor.type(f"{NAME}\n")
        editor.wait_screen("Apache License 2.0")
        assert hub.asked == [], "nothing before it is agreed to"
        editor.type("yes\n")
        editor.wait_screen(f"{NAME} is in use", within=240)
        editor.wait_screen("[ready]", within=110)
        editor.type(" ")
        editor.settled_line("    return ")
    finally:
        editor.close()


@pytest.mark.slow_editor
def test_vscode(hub: Hub, tmp_path: Path, fresh_home: Path) -> None:
    if missing := workbench.missing():
        pytest.skip(missing)
    window = Workbench(tmp_path / "vscode", fresh_home, "edited.py", SOURCE)
    try:
        window.wait(lambda: "embedded" in window.do("status"), "a status bar with the model", 240)
        window.do("command", title="aix-lsp: Choose Model")
        window.wait(lambda: any("embedded" in label for label in window.do("quickpick")), "the list", 110)
        window.do("fill", text=NAME)  # beyond the visible part of the list
        rows = ".quick-input-list .monaco-list-row"
        window.wait(lambda: [NAME in row for row in window.do("texts", selector=rows)] == [True], "one entry")
        window.do("press", key="Enter")
        dialogue = ".monaco-dialog-box"
        window.wait(
            lambda: "Apache License 2.0" in "".join(window.do("texts", selector=dialogue)), "the question"
        )
        assert hub.asked == [], "nothing before it is agreed to"
        window.do("press", key="Enter")
        window.wait(lambda: NAME in window.do("status"), "the model in use", 240)
        settings = json.loads((window.home / "user" / "Machine" / "settings.json").read_text())
        assert settings["aix.model"] == NAME
    finally:
        window.close()
