"""The Neovim plugin in a real Neovim, against the real server and the embedded model."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.neovim import ROOT, find
from tests.editors.neovim_plugin import PluginNeovim
from tests.editors.slow_engine import GROWING, slowed_engine

SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"
UNSURE = (SOURCE + " ", "import ", 'def area(width, height):\n    """', "class ", "# ")


def executable(kind: str) -> str:
    wanted = ((0, 10), (0, 12)) if kind == "0.11" else ((0, 12), (99, 0))
    found = find(*wanted)
    if not found:
        pytest.skip(f"no Neovim {kind} here: run tests/editors/fetch_debian.sh, or set AIX_LSP_NVIM")
    return found


@pytest.fixture(scope="module", params=["0.11", "0.12"])
def own(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, engine_home: Path
) -> Iterator[PluginNeovim]:
    """An editor with the plugin's own, streaming ghost text."""
    home = tmp_path_factory.mktemp("nvim")
    editor = PluginNeovim(executable(request.param), home, engine_home, "{ ghost = 'own' }")
    yield editor
    editor.close()


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory, engine_home: Path) -> Iterator[PluginNeovim]:
    """Neovim 0.12 with its own ghost text."""
    editor = PluginNeovim(executable("0.12"), tmp_path_factory.mktemp("nvim12"), engine_home)
    yield editor
    editor.close()


def start(editor: PluginNeovim, name: str, text: str = SOURCE) -> Path:
    editor.keys("<Esc>")
    path = editor.open(name, text + "\n")
    editor.wait(editor.ready, "loaded model", 110)
    return path


def test_accept(own: PluginNeovim) -> None:
    path = start(own, "accept.py")
    own.insert_at_end(" ")
    ghost = own.settled_ghost()
    assert any(ghost.split("\n")[0] in row for row in own.screen())
    own.keys("<Tab>")
    own.wait(lambda: own.buffer() == SOURCE + " " + ghost, "accepted text")
    own.keys("<Esc>:write<CR>")
    own.wait(lambda: path.read_text() == SOURCE + " " + ghost + "\n", "saved file")


def test_streaming(own: PluginNeovim, engine_home: Path) -> None:
    longest: list[str] = []
    with slowed_engine(engine_home):
        for number, text in enumerate(GROWING):
            start(own, f"streaming{number}.py", text.rstrip())
            own.insert_at_end()
            own.lua("shown_texts = {}")
            own.keys("<CR>")
            own.settled_ghost()
            texts = list(dict.fromkeys(own.lua("return shown_texts")))
            grown = texts[:-1] if len(texts) > 1 and texts[-2].startswith(texts[-1]) else texts
            assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(grown)), texts
            longest = max(longest, grown, key=len)
    assert len(longest) > 1, f"no text came in pieces: {longest}"


def test_typing_along_keeps_the_text(own: PluginNeovim) -> None:
    start(own, "along.py")
    own.insert_at_end(" ")
    ghost = own.settled_ghost()
    own.lua("shown_texts = {}")
    own.keys(ghost[0])
    own.wait(lambda: own.buffer() == SOURCE + " " + ghost[0], "typed character")
    assert own.settled_ghost().startswith(ghost[1:])
    assert all(text.startswith(ghost[1:]) for text in own.lua("return shown_texts"))


def test_pieces(own: PluginNeovim) -> None:
    start(own, "pieces.py", "def area(width, height):")
    own.insert_at_end()
    own.keys("<CR>")
    ghost = own.settled_ghost()
    before = own.buffer()
    own.keys("<M-w>")
    own.wait(lambda: own.buffer() != before, "accepted word")
    word = own.buffer().removeprefix(before)
    assert ghost.startswith(word) and len(word.split()) == 1
    if word != ghost:
        own.settled_ghost()
        own.keys("<M-e>")
        line = ghost.lstrip("\n").split("\n")[0]
        own.wait(lambda: own.buffer().startswith(before + line), "accepted line")


def test_dismiss(own: PluginNeovim) -> None:
    start(own, "dismiss.py")
    own.insert_at_end(" ")
    own.settled_ghost()
    own.keys("<C-]>")
    own.wait(lambda: own.ghost() == "", "no ghost text")
    own.keys("<Tab>")
    own.wait(lambda: own.buffer() != SOURCE + " ", "a tab, as without the plugin")
    assert own.buffer().strip() == SOURCE


def test_other_candidates(own: PluginNeovim) -> None:
    """At a place where the model is of two minds, which is not every place."""
    texts = "return vim.tbl_map(function(item) return item.text end, require('aix_lsp.ghost').of().items)"
    for number, text in enumerate(UNSURE):
        start(own, f"candidates{number}.py", text[:-1])
        own.insert_at_end(text[-1])
        own.settled_ghost()
        own.keys("<M-]>")
        own.wait(lambda: own.lua("return require('aix_lsp.ghost').of().cancel == nil"), "the answer")
        own.settled_ghost()
        if len(own.lua(texts)) > 1:
            break
    own.wait(lambda: own.ghost() == own.lua(texts)[1], f"the second of {own.lua(texts)}")
    own.keys("<M-[>")
    own.wait(lambda: own.ghost() == own.lua(texts)[0], "the first candidate")


def test_no_doubled_bracket(own: PluginNeovim) -> None:
    start(own, "bracket.py", "values = [1, 2, 3]\nfor value in values:\n    print(")
    own.insert_at_end(")")
    own.keys("<Left>")
    own.settled_ghost()
    own.keys("<Tab>")
    own.wait(lambda: own.ghost() == "" or own.buffer().count("(") > 1, "accepted text")
    text = own.buffer()
    assert text.count("(") == text.count(")"), text


def test_fast_typing_inserts_nothing_stale(own: PluginNeovim) -> None:
    start(own, "fast.py", "")
    text = SOURCE + " "
    own.api.command("setlocal indentexpr= noautoindent")
    own.insert_at_end()
    for char in text:
        own.keys("<CR>" if char == "\n" else char)
    own.wait(lambda: own.buffer() == text, f"the typed text, not {own.buffer()!r}")
    own.settled_ghost()
    assert own.buffer() == text


def test_tab_in_a_burst_takes_what_was_shown(own: PluginNeovim) -> None:
    start(own, "burst.py")
    own.insert_at_end(" ")
    ghost = own.settled_ghost()
    own.keys(ghost[:1] + "<Tab>" + "  # end")
    own.wait(lambda: own.buffer().endswith("# end"), "typed comment")
    taken = own.buffer().removeprefix(SOURCE + " ").removesuffix("  # end")
    assert taken.startswith(ghost), (taken, ghost)


def test_popup(own: PluginNeovim) -> None:
    start(own, "popup.py")
    own.api.command("set completeopt=menuone,noselect")
    own.insert_at_end(" ")
    own.settled_ghost()
    own.keys("<C-x><C-o>")
    own.wait(lambda: own.lua("return vim.fn.pumvisible() == 1"), "popup")
    own.wait(lambda: own.ghost() == "", "no ghost text beside the popup")
    item = own.lua(
        "return vim.tbl_get(vim.fn.complete_info({ 'items' }).items[1], 'user_data', 'nvim', 'lsp', 'completion_item')"
    )
    own.keys("<C-n><C-y>")
    line = item["textEdit"]["newText"].split("\n")[0]
    own.wait(
        lambda: own.buffer().startswith(SOURCE + " " + line), f"the whole line {line!r}, not its first word"
    )


def test_popup_doubles_no_bracket(own: PluginNeovim) -> None:
    start(own, "popup_bracket.py", "values = [1, 2, 3]\nfor value in values:\n    print()")
    own.api.command("set completeopt=menuone,noselect")
    own.keys("<Esc>G$i")
    own.settled_ghost()
    own.keys("<C-x><C-o>")
    own.wait(lambda: own.lua("return vim.fn.pumvisible() == 1"), "popup")
    own.keys("<C-n><C-y>")
    own.wait(lambda: "print(value" in own.buffer(), "accepted item")
    text = own.buffer()
    assert text.count("(") == text.count(")"), text


def test_health_and_statusline(own: PluginNeovim) -> None:
    start(own, "health.py")
    assert own.lua("return require('aix_lsp').statusline()").startswith("aix ")
    own.api.command("checkhealth aix_lsp")
    report = own.buffer()
    own.api.command("bdelete!")
    assert "ERROR" not in report and "aix-lsp: server" in report, report


def test_help(own: PluginNeovim, tmp_path: Path) -> None:
    own.api.command(f"helptags {ROOT / 'editors' / 'neovim' / 'doc'}")
    (ROOT / "editors" / "neovim" / "doc" / "tags").unlink()


def test_native_ghost_text(native: PluginNeovim) -> None:
    path = start(native, "native.py")
    native.insert_at_end(" ")
    ghost = native.wait(native.ghost, "ghost text")
    native.keys("<Tab>")
    native.wait(lambda: native.buffer() == SOURCE + " " + ghost, f"accepted text {ghost!r}")
    native.keys("<Esc>:write<CR>")
    native.wait(lambda: path.read_text() == SOURCE + " " + ghost + "\n", "saved file")


def test_native_word(native: PluginNeovim) -> None:
    start(native, "native_word.py", "def area(width, height):")
    native.insert_at_end()
    native.keys("<CR>")
    ghost = native.wait(native.ghost, "ghost text")
    before = native.buffer()
    native.keys("<M-w>")
    native.wait(lambda: native.buffer() != before, "accepted word")
    word = native.buffer().removeprefix(before)
    assert ghost.startswith(word) and len(word.split()) == 1, (word, ghost)


def test_native_dismiss(native: PluginNeovim) -> None:
    start(native, "native_dismiss.py")
    native.insert_at_end(" ")
    native.wait(native.ghost, "ghost text")
    native.keys("<C-]>")
    native.wait(lambda: native.ghost() == "", "no ghost text")
    assert native.buffer() == SOURCE + " "


def test_installs_with_vim_pack(tmp_path: Path, engine_home: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    tracked = subprocess.run(
        ["git", "ls-files", "editors/neovim"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in tracked.stdout.split():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_bytes((ROOT / name).read_bytes())
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "plugin"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    editor = PluginNeovim(executable("0.12"), tmp_path, engine_home)
    try:
        found = editor.lua(
            """
            vim.opt.runtimepath:remove(vim.env.AIX_TEST_ROOT .. '/editors/neovim')
            for name in pairs(package.loaded) do
              if vim.startswith(name, 'aix_lsp') then package.loaded[name] = nil end
            end
            vim.pack.add({ { src = 'file://' .. ..., name = 'aix-lsp' } }, {
              confirm = false,
              load = function(plugin)
                vim.opt.runtimepath:append(plugin.path .. '/editors/neovim')
              end,
            })
            return vim.api.nvim_get_runtime_file('lua/aix_lsp/init.lua', false)[1]
            """,
            str(repository),
        )
        assert found.startswith(str(tmp_path / "data"))
        editor.lua("require('aix_lsp').setup({ cmd = { 'true' } })")
    finally:
        editor.close()
