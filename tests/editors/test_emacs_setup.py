"""The Emacs package as a package: compiled, customised, installed as documented, and without its server."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.editors import terminal
from tests.editors.emacs import PACKAGE, QUICK, emacs
from tests.editors.terminal import ROOT, Terminal


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
    """The first code block of the page, run as it is, installs from this repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git repository, from which packages are installed")
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
        timeout=200,
    )
    assert str(tmp_path) in done.stdout and "aix-lsp-mode" in done.stdout, done.stderr


def test_customization_group(tmp_path: Path) -> None:
    """Every option is in the group, and the group can be displayed."""
    words = [
        line.split()[1].removeprefix("aix-lsp-").replace("-", " ").title()
        for file in PACKAGE.glob("*.el")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("(defcustom")
    ]
    argv = [emacs(), *QUICK, "-L", str(PACKAGE), "-l", "aix-lsp", "--eval", "(customize-group 'aix-lsp)"]
    editor = Terminal(argv, terminal.environment(tmp_path, tmp_path / "aix"), tmp_path, rows=60)
    try:
        for word in words:
            editor.wait_screen(f"Aix Lsp {word}")
    finally:
        editor.close()


@pytest.mark.parametrize(
    ("command", "told"),
    [("no-such-aix-lsp", "run `pipx install aix-lsp'"), ("false", "exited before it answered")],
)
def test_a_server_that_cannot_start_is_reported_once_and_disturbs_nothing(
    command: str, told: str, tmp_path: Path
) -> None:
    """The mode's hook continues, keys keep their meaning, and `aix-lsp-restart` tries again."""
    file = tmp_path / "edited.py"
    file.write_text("a = 1\n")
    init = tmp_path / "init.el"
    init.write_text(
        f"""
        (setq make-backup-files nil auto-save-default nil create-lockfiles nil)
        (add-to-list 'load-path "{PACKAGE}")
        (require 'aix-lsp)
        (setq aix-lsp-command '("{command}" "--stdio"))
        (defvar warned 0)
        (advice-add 'display-warning :after (lambda (&rest _) (setq warned (1+ warned)) (force-mode-line-update t)))
        (add-hook 'python-mode-hook #'aix-lsp-mode)
        (add-hook 'python-mode-hook (lambda () (setq after-it t)) 90)
        (setq-default mode-line-format
          '("[" (:eval (aix-lsp--lighter)) " " (:eval (format "%s %s" warned (boundp 'after-it))) "]"))
        """
    )
    emacs_argv = [emacs(), *QUICK, "-l", str(init), str(file)]
    editor = Terminal(emacs_argv, terminal.environment(tmp_path, tmp_path / "aix"), tmp_path)
    try:
        editor.wait_screen(told)
        editor.wait_screen("[ aix:error 1 t]")
        editor.type("b = ")
        editor.keys("C-x", "C-s")
        editor.wait(lambda: file.read_text() == "b = a = 1\n", "the typed text, saved")
        assert "[ aix:error 1 t]" in editor.screen()
        editor.keys("M-x")
        editor.type("aix-lsp-restart\n")
        editor.wait_screen("[ aix:error 2 t]")
    finally:
        editor.close()
