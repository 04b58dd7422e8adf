"""Drives a real Emacs in a terminal, with the package in editors/emacs and the real server."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.editors import terminal
from tests.editors.terminal import ROOT, Terminal
from tests.slow_engine import GROWING, slowed_engine

PACKAGE = ROOT / "editors" / "emacs"
SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"
BRACKET = "values = [1, 2]\nfor value in values:\n    print"

_UNCOMPILED = """
(progn
  (setq native-comp-jit-compilation nil)
  (when (boundp 'comp-files-queue) (setq comp-files-queue nil))
  (when (boundp 'comp-async-compilations)
    (maphash (lambda (_file process) (set-process-sentinel process #'ignore) (delete-process process))
             comp-async-compilations)))
"""
QUICK = ("-nw", "-Q", "--eval", _UNCOMPILED)
"""Emacs in a terminal, without native compilation: in a new home, each Emacs would spend seconds compiling what it
loads, even before our configuration."""

_INIT = """
(setq inhibit-startup-screen t make-backup-files nil auto-save-default nil
      create-lockfiles nil ring-bell-function 'ignore vc-handled-backends nil)
(add-to-list 'load-path "%(package)s")
(require 'aix-lsp)
(setq aix-lsp-command '("%(python)s" "-m" "aix_lsp" "--stdio"))
(electric-indent-mode -1)
(defvar commands 0)
(defvar shown nil "What was drawn, latest first, each with the place.")
(advice-add 'aix-lsp-ghost-draw :filter-return
            (lambda (text) (when text (push (list (point) text) shown)) text))
(defun tell-shown ()
  (interactive)
  (let ((asking (if aix-lsp--cancel t :false)))
    (with-temp-file "../shown"
      (insert (json-serialize
               (list :asking asking :texts (vconcat (mapcar #'vconcat (reverse shown))))))))
  (message "told %%d" (cl-incf commands)))
(defun take-text ()
  (interactive)
  (erase-buffer)
  (insert-file-contents "../text")
  (goto-char (point-max))
  (message "taken %%d" (cl-incf commands)))
(keymap-global-set "C-c s" #'tell-shown)
(keymap-global-set "C-c t" #'take-text)
(setq aix-lsp-settings '(:deadlineMs 15000 :confidence 0))
(defvar usual-mode-line (default-value 'mode-line-format))
(setq-default mode-line-format '("[" (:eval (or (plist-get aix-lsp-status :state) "off")) "]"))
%(more)s
"""

OWN = "(add-hook 'python-mode-hook #'aix-lsp-mode)"
EGLOT = """
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
        [found, "-Q", "--batch", "--eval", "(kill-emacs (if (< emacs-major-version 30) 1 0))"], timeout=60
    )
    if new.returncode:
        pytest.skip("Emacs 30 or newer is needed: run tests/editors/install.sh")
    return found


class Emacs(Terminal):
    """An Emacs that edits one file."""

    def __init__(self, home: Path, engine_home: Path, more: str, text: str = SOURCE) -> None:
        self.commands = 0
        program = emacs()
        variables = terminal.environment(home, engine_home)
        project = home / "project"
        (project / ".git").mkdir(parents=True)
        self.path = project / "edited.py"
        self.path.write_text(text + "\n", encoding="utf-8")
        init = home / "init.el"
        init.write_text(_INIT % {"package": PACKAGE, "python": sys.executable, "more": more})
        argv = [program, *QUICK, "-l", str(init), str(self.path), "-f", "end-of-buffer"]
        super().__init__(argv, variables, project)
        try:
            self.wait_screen("[ready]", within=200)
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
        """The line that begins with `start` in the last function or loop, without trailing spaces."""
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

    def _done(self, said: str) -> None:
        """Wait until one of our commands has run, and so all keys before it have been handled."""
        self.commands += 1
        self.wait_screen(f"{said} {self.commands}")

    def take(self, text: str) -> None:
        """Replace the buffer's text, with point at its end."""
        (self.path.parents[1] / "text").write_text(text, encoding="utf-8")
        self.keys("C-c", "t")
        self._done("taken")

    def shown(self) -> list[str]:
        """Every ghost text drawn at the position of the last one, in order, once the answer there is complete."""
        told: dict[str, Any] = {}

        def answered() -> bool:
            self.keys("C-c", "s")
            self._done("told")
            told.update(json.loads((self.path.parents[1] / "shown").read_text(encoding="utf-8")))
            return not told["asking"]

        self.wait(answered, "the whole answer")
        return [text for place, text in told["texts"] if place == told["texts"][-1][0]]


def assert_fast_typing_inserts_nothing(editor: Emacs) -> None:
    editor.type(" ")
    typed = "a  # typed in one go, with (brackets) and [more]"
    editor.type(typed)
    assert editor.text() == SOURCE + " " + typed + "\n"


def assert_no_doubled_bracket(editor: Emacs) -> None:
    """Assert that no bracket is doubled in the file `BRACKET`, when the editor closes brackets itself."""
    editor.type("(")
    editor.wait(lambda: len(editor.line("    print(")) > len("    print()"), "ghost text within the brackets")
    editor.settled_line("    print(")
    editor.keys("Tab")
    text = editor.text()
    assert text.startswith(BRACKET + "(") and text.count("(") == text.count(")") > 0, text
    assert len(text.strip()) > len(BRACKET) + 2, text


def assert_streams(editor: Emacs, home: Path) -> None:
    """With the engine of `home` slowed, text comes in pieces, each a prefix of the next; the last may lose its tail."""
    longest: list[str] = []
    with slowed_engine(home):
        for text in GROWING:
            editor.take(text[:-1])
            editor.type(text[-1])
            editor.settled_line(text.split("\n")[-1])
            texts = list(dict.fromkeys(editor.shown()))
            grown = texts[:-1] if len(texts) > 1 and texts[-2].startswith(texts[-1]) else texts
            assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(grown)), texts
            longest = max(longest, grown, key=len)
    assert len(longest) > 1, f"no text came in pieces: {longest}"
