"""The Neovim plugin's command, health report and help, in a real Neovim."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.editors.neovim import ROOT
from tests.editors.neovim_plugin import SOURCE, VERSIONS, PluginNeovim, executable, start
from tests.editors.server_wheel import LENT, build, path_without_server
from tests.models import SMALL

NUMBERS = itertools.count()
DOC = ROOT / "editors" / "neovim" / "doc"


@pytest.fixture(scope="module", params=VERSIONS)
def editor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, module_home: Path
) -> Iterator[PluginNeovim]:
    home = tmp_path_factory.mktemp("nvim")
    editor = PluginNeovim(executable(request.param), home, module_home, "{ ghost = 'own' }")
    editor.lua("told = {} vim.notify = function(text) table.insert(told, text) end")
    yield editor
    editor.close()


def asks(editor: PluginNeovim) -> str:
    """The ghost text after `return` in a new file; empty if the server's answer is."""
    editor.keys("<Esc>")
    editor.open(f"asked{next(NUMBERS)}.py", SOURCE + "\n")
    editor.insert_at_end()
    editor.keys(" ")
    return editor.answered_ghost(SOURCE + " ")


def test_disable_and_enable(editor: PluginNeovim) -> None:
    start(editor, "first.py")
    assert asks(editor)
    for scope in ("", " language"):
        editor.api.command("AixLsp disable" + scope)
        editor.wait(lambda: not asks(editor), "silence")
        editor.api.command("AixLsp enable" + scope)
        editor.wait(lambda: asks(editor), "ghost text")


def test_switch_model_and_restart(editor: PluginNeovim, tmp_path: Path) -> None:
    start(editor, "model.py")
    other = tmp_path / "another"
    shutil.copytree(SMALL, other)
    editor.api.command(f"AixLsp model {other}")
    editor.wait(
        lambda: editor.lua("return require('aix_lsp').statusline()") == "aix another", "its name", 110
    )
    assert asks(editor)
    first = editor.lua("return vim.lsp.get_clients({ name = 'aix_lsp' })[1].id")
    editor.api.command("AixLsp restart")
    editor.wait(
        lambda: editor.lua(
            "local c = vim.lsp.get_clients({ name = 'aix_lsp', bufnr = 0 })[1] return c and c.id ~= ..."
            " and c.initialized == true",
            first,
        ),
        "another server",
    )
    editor.wait(
        lambda: editor.lua("return require('aix_lsp').statusline()") == "aix embedded", "its model", 110
    )
    assert asks(editor)


def test_status_statistics_and_log(editor: PluginNeovim) -> None:
    def told(part: str) -> bool:
        return part in "".join(editor.lua("return told"))

    start(editor, "told.py")
    for word, part in (("status", "ready"), ("statistics", "shown"), ("nonsense", "unknown subcommand")):
        editor.lua("told = {}")
        editor.api.command(f"AixLsp {word}")
        editor.wait(partial(told, part), part)
    words = editor.api.funcs.getcompletion("AixLsp ", "cmdline")
    assert {"install", "restart", "model", "log", "health", "enable", "disable"} <= set(words)
    editor.api.command("AixLsp log")
    assert editor.api.current.buffer.name.endswith("lsp.log")
    editor.api.command("bdelete!")


def test_health_and_statusline(editor: PluginNeovim) -> None:
    start(editor, "health.py")
    assert editor.lua("return require('aix_lsp').statusline()").startswith("aix ")
    editor.api.command("checkhealth aix_lsp")
    report = editor.buffer()
    editor.api.command("bdelete!")
    assert "ERROR" not in report and "aix-lsp: server" in report and "runs as lean, " in report, report


def test_a_second_server_is_used_once_it_is_ready(editor: PluginNeovim) -> None:
    """Another project's server becomes ready long after the first."""
    start(editor, "second.py")
    editor.insert_at_end(" ")
    editor.settled_ghost()
    editor.lua(
        "local ghost = require('aix_lsp.ghost') asked, usual = 0, ghost.model_ready "
        "ghost.model_ready = function() asked = asked + 1 end"
    )
    for state in ("loading", "ready"):
        editor.lua("require('aix_lsp.status').on_status(nil, { state = ... }, { client_id = 99 })", state)
        editor.lua("require('aix_lsp.status').on_status(nil, { state = 'ready' }, { client_id = 98 })")
    editor.lua("require('aix_lsp.ghost').model_ready = usual")
    assert editor.lua("return asked") == 2, "once for each of the two"


def test_help(editor: PluginNeovim, tmp_path: Path) -> None:
    """The tags are shipped with the plugin: no plugin manager generates them for a subfolder of a repository."""
    editor.keys("<Esc>")
    editor.api.command("noautocmd help aix-lsp")
    assert editor.api.current.buffer.name.endswith("editors/neovim/doc/aix-lsp.txt")
    editor.api.command("helpclose")
    made = tmp_path / "doc"
    shutil.copytree(DOC, made)
    (made / "tags").unlink()
    editor.api.command(f"helptags {made}")
    assert (made / "tags").read_text() == (DOC / "tags").read_text(), "run :helptags editors/neovim/doc"


@pytest.mark.parametrize(
    ("options", "told", "reported"),
    [
        ("{ ghst = 'own' }", "'ghst'", ["'ghst'"]),
        (
            "{ ghst = 'own', ghost = 'maybe', keys = { acept = '<Tab>' }, popup = 1 }",
            "4 options are wrong",
            ["'ghst'", "'ghost' must be", "keys.acept", "'popup'"],
        ),
        ("{ cmd = { 'no-such-aix-lsp' } }", "no-such-aix-lsp", ["no-such-aix-lsp"]),
    ],
)
def test_wrong_options_are_shown_in_one_line_and_in_the_health_report(
    options: str, told: str, reported: list[str], tmp_path: Path, engine_home: Path
) -> None:
    """A second line would make Neovim stop at startup with a hit-enter prompt."""
    editor = PluginNeovim(executable("0.11"), tmp_path, engine_home, options)
    try:
        assert not editor.api.api.get_mode()["blocking"]
        assert told in editor.api.funcs.execute("messages")
        editor.api.command("checkhealth aix_lsp")
        report = editor.buffer()
        assert all(part in report for part in reported), report
    finally:
        editor.close()


def test_wrong_settings_are_shown_in_one_line_and_in_the_health_report(
    tmp_path: Path, fresh_home: Path
) -> None:
    config = fresh_home / "config" / "config.toml"
    config.parent.mkdir()
    no_engine = 'url = "http://127.0.0.1:9"\n'
    config.write_text(no_engine + 'maxTokns = 3\nmaxTokens = "many"\n')
    editor = PluginNeovim(executable("0.11"), tmp_path, fresh_home)
    try:
        editor.open("edited.py", SOURCE + "\n")
        editor.wait(lambda: "maxTokns" in editor.api.funcs.execute("messages"), "the message")
        assert not editor.api.api.get_mode()["blocking"]
        editor.api.command("checkhealth aix_lsp")
        assert "did you mean maxTokens?" in editor.buffer()
    finally:
        editor.close()


@pytest.mark.slow_editor
@pytest.mark.timeout(400)
def test_installs_the_server(tmp_path: Path, fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`:AixLsp install` creates an environment, and the server in it is started and suggests."""
    wheel = build(tmp_path / "made")
    for name, value in (LENT | {"PATH": path_without_server()}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # nothing is imported from the folder that the server is started in
    config = f"""
    vim.opt.runtimepath:prepend(vim.env.AIX_TEST_ROOT .. '/editors/neovim')
    told = {{}}
    vim.notify = function(text) table.insert(told, text) end
    require('aix_lsp').setup({{
      ghost = 'own', package = '{wheel}', settings = {{ deadlineMs = 15000, confidence = 0 }},
    }})
    """
    editor = PluginNeovim(executable("0.11"), tmp_path / "nvim", fresh_home, config=config)
    try:
        assert "run ':AixLsp install'" in "".join(editor.lua("return told"))
        path = editor.home / "edited.py"
        path.write_text(SOURCE + "\n")
        editor.api.command(f"edit {path}")
        editor.api.command("AixLsp install")
        editor.wait(lambda: "aix-lsp: installed" in editor.lua("return told"), "an installed server", 200)
        assert (tmp_path / "nvim" / "data" / "nvim" / "aix-lsp" / "venv" / "bin" / "aix-lsp").exists()
        editor.wait(editor.attached, "server attached")
        editor.wait(editor.ready, "loaded model", 110)
        editor.insert_at_end(" ")
        ghost = editor.settled_ghost()
        editor.keys("<Tab>")
        editor.wait(lambda: editor.buffer() == SOURCE + " " + ghost, "accepted text")
    finally:
        editor.close()
