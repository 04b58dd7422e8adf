"""The Emacs package in a real Emacs in a terminal, against the real server and the embedded model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors import terminal
from tests.editors.terminal import ROOT, Terminal

PACKAGE = ROOT / "editors" / "emacs"
SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"

_INIT = """
(setq native-comp-jit-compilation nil inhibit-startup-screen t make-backup-files nil auto-save-default nil
      create-lockfiles nil ring-bell-function 'ignore vc-handled-backends nil)
(add-to-list 'load-path "%(package)s")
(require 'aix-lsp)
(setq aix-lsp-command '("%(python)s" "-m" "aix_lsp" "--stdio"))
(electric-indent-mode -1)
(setq-default mode-line-format '("[" (:eval (or (plist-get aix-lsp-status :state) "off")) "]"))
%(more)s
"""

_OWN = "(add-hook 'python-mode-hook #'aix-lsp-mode)"
_EGLOT = """
(require 'aix-lsp-eglot)
(aix-lsp-eglot-setup 'python-mode)
(setq eglot-sync-connect 30)
(add-hook 'python-mode-hook (lambda () (eglot-ensure) (aix-lsp-mode)))
"""


def emacs() -> str:
    found = shutil.which("emacs")
    if not found or not terminal.found():
        pytest.skip("no Emacs or no tmux here: run tests/editors/install.sh")
    new = subprocess.run(
        [found, "-Q", "--batch", "--eval", "(kill-emacs (if (< emacs-major-version 30) 1 0))"], timeout=30
    )
    if new.returncode:
        pytest.skip("Emacs 30 or newer is needed: run tests/editors/install.sh")
    return found


class Emacs(Terminal):
    """An Emacs that edits one file."""

    def __init__(self, home: Path, engine_home: Path, more: str, text: str = SOURCE) -> None:
        program = emacs()
        variables = terminal.environment(home, engine_home)
        project = home / "project"
        (project / ".git").mkdir(parents=True)
        self.path = project / "edited.py"
        self.path.write_text(text + "\n", encoding="utf-8")
        init = home / "init.el"
        init.write_text(_INIT % {"package": PACKAGE, "python": sys.executable, "more": more})
        argv = [program, "-nw", "-Q", "-l", str(init), str(self.path), "-f", "end-of-buffer"]
        super().__init__(argv, variables, project)
        try:
            self.wait_screen("[ready]", within=110)
        except AssertionError:
            self.close()
            raise
        self.keys("C-p", "C-e")

    def text(self) -> str:
        """The file after saving what is in the buffer."""
        self.keys("C-x", "C-s")
        self.wait_screen("Wrote")
        return self.path.read_text(encoding="utf-8")

    def line(self, start: str) -> str:
        """The line that begins so in the last function or loop, without blanks at its end."""
        rows = self.screen().split("\n")
        heads = [index for index, row in enumerate(rows) if row.lstrip().startswith(("def ", "for "))]
        body = [row.rstrip() for row in rows[heads[-1] :]] if heads else []
        return next((row[row.index(start) :] for row in body if start in row), "")

    def settled_line(self, start: str) -> str:
        """That line once it is longer than `start` and the same twice in a row."""
        seen = [""]

        def same() -> bool:
            now, before = self.line(start), seen[0]
            seen[0] = now
            return len(now) > len(start) and now == before

        self.wait(same, f"a line that begins with {start!r} and goes on")
        return seen[0]


@pytest.fixture(params=[_OWN, _EGLOT], ids=["own connection", "eglot"])
def editor(request: pytest.FixtureRequest, tmp_path: Path, engine_home: Path) -> Iterator[Emacs]:
    editor = Emacs(tmp_path, engine_home, request.param)
    yield editor
    editor.close()


def test_ghost_text_typing_along_and_accept(editor: Emacs) -> None:
    editor.type(" ")
    shown = editor.settled_line("    return ")
    ghost = shown.removeprefix("    return ")
    editor.type(ghost[0])
    editor.wait(lambda: editor.line("    return ").startswith(shown), "the same text after typing along")
    editor.keys("Tab")
    text = editor.text()
    assert text.startswith(SOURCE + " " + ghost), text
    assert text.count("return") == 2 and text.endswith("\n")


def test_word_by_word(editor: Emacs) -> None:
    editor.type(" ")
    shown = editor.settled_line("    return ")
    editor.keys("M-f")
    word = editor.text().rstrip("\n").removeprefix(SOURCE + " ")
    assert word and shown.removeprefix("    return ").startswith(word), (shown, word)


def test_fast_typing_inserts_nothing(editor: Emacs) -> None:
    editor.type(" ")
    typed = "a  # typed in one go, with (brackets) and [more]"
    editor.type(typed)
    assert editor.text() == SOURCE + " " + typed + "\n"


def test_no_doubled_bracket(tmp_path: Path, engine_home: Path) -> None:
    editor = Emacs(
        tmp_path,
        engine_home,
        _OWN + "(electric-pair-mode 1)",
        "values = [1, 2]\nfor value in values:\n    print",
    )
    try:
        editor.type("(")
        editor.wait(lambda: "value" in editor.line("    print("), "ghost text within the brackets")
        editor.settled_line("    print(")
        editor.keys("Tab")
        text = editor.text()
        assert text.count("(") == text.count(")") > 0 and "print(value" in text, text
    finally:
        editor.close()


def test_compiles_without_a_warning(tmp_path: Path) -> None:
    for file in PACKAGE.glob("*.el"):
        shutil.copy(file, tmp_path)
    files = sorted(str(file) for file in tmp_path.glob("aix-*.el"))
    strict = ["--eval", "(setq byte-compile-error-on-warn t)", "-f", "batch-byte-compile"]
    done = subprocess.run(
        [emacs(), "-Q", "--batch", "-L", str(tmp_path), *strict, *files],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow_editor
def test_installed_as_documented(tmp_path: Path) -> None:
    """The page's first block, as it stands, installs from this repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git repository, which packages are installed from")
    page = (ROOT / "docs" / "editors" / "emacs.md").read_text(encoding="utf-8")
    block = page.split("```elisp")[1].split("```")[0]
    init = tmp_path / "init.el"
    init.write_text(
        "(require 'package) (setq package-archives nil) (package-initialize) (require 'use-package)\n"
        + block.replace("https://github.com/aix-lsp/aix-lsp", f"file://{ROOT}")
        + '(princ (locate-library "aix-lsp")) (princ prog-mode-hook)'
    )
    done = subprocess.run(
        [emacs(), "-q", "--batch", "-l", str(init)],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert str(tmp_path) in done.stdout and "aix-lsp-mode" in done.stdout, done.stderr
