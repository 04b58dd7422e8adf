"""`aix-lsp init` prints the configuration of `editors/`, which is complete and shipped with the package."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

import aix_lsp
from aix_lsp.commands.editor_config import _keys
from aix_lsp.commands.init import _TEXTS, editor_folder, text_for

ROOT = Path(aix_lsp.__file__).parents[1]
SPOKEN = set(
    re.findall(
        r"\w+",
        "bash c clojure cmake css dart dockerfile elixir erlang go haskell html java javascript json julia kotlin lua "
        "makefile markdown perl php python r ruby rust scala sql swift toml typescript xml yaml zig",
    )
)


def kate() -> set[str]:
    return set(_keys(text_for("kate"))["servers"])


def helix() -> set[str]:
    return {language["name"] for language in tomllib.loads(text_for("helix"))["language"]}


def jetbrains() -> set[str]:
    template = json.loads((editor_folder("jetbrains") / "template.json").read_text("utf-8"))
    return {each["languageId"] for each in template["fileTypeMappings"]}


def zed() -> set[str]:
    declared = tomllib.loads((editor_folder("zed") / "extension.toml").read_text("utf-8"))
    return {name.lower() for name in declared["language_servers"]["aix-lsp"]["languages"]}


@pytest.mark.parametrize("listed", [kate, helix, jetbrains, zed])
def test_every_common_language_is_listed(listed: object) -> None:
    """Sublime Text, Vim, Neovim, Emacs and VS Code accept every language without a list."""
    assert callable(listed)
    names = listed()
    others = {"bash": {"shellscript", "shell script"}, "makefile": {"make"}}
    missing = [name for name in SPOKEN if name not in names and not others.get(name, set()) & names]
    assert not missing


def test_kate_knows_each_language_once() -> None:
    servers = _keys(text_for("kate"))["servers"].values()
    for highlighting in (
        "C",
        "C++",
        "C#",
        "Python",
        "Ruby/Rails/RHTML",
        "HTML",
        "JavaScript React (JSX)",
        "Zsh",
    ):
        found = [each for each in servers if re.search(each["highlightingModeRegex"], highlighting)]
        assert len(found) == 1, highlighting


@pytest.mark.parametrize("editor", sorted(_TEXTS))
def test_every_named_folder_exists_and_is_packaged(editor: str) -> None:
    text = text_for(editor)
    assert "@" not in text.replace("@param", "").replace("@echo", ""), text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    for folder in re.findall(r"(/\S*/editors/\w+)", text):
        assert Path(folder).is_dir()
        name = Path(folder).name
        assert wheel["force-include"][f"editors/{name}"] == f"aix_lsp/editors/{name}"


def test_an_installed_package_has_its_own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "aix_lsp"
    (package.parent / "editors" / "neovim").mkdir(parents=True)
    monkeypatch.setattr(aix_lsp, "__file__", str(package / "__init__.py"))
    assert editor_folder("neovim") == package / "editors" / "neovim"
