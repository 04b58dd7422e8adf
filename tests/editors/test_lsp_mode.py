"""The Emacs package with lsp-mode, as an add-on server; and package-lint finds nothing wrong with it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.emacs import (
    BRACKET,
    PACKAGE,
    SOURCE,
    Emacs,
    assert_fast_typing_inserts_nothing,
    assert_no_doubled_bracket,
    assert_streams,
    emacs,
)
from tests.editors.terminal import ROOT

pytestmark = pytest.mark.slow_editor

FETCHED = ROOT / ".cache" / "lsp-mode" / "usr" / "share" / "emacs" / "site-lisp" / "elpa-src"

_LSP_MODE = """
(dolist (folder (directory-files "%s" t "^[a-z]"))
  (add-to-list 'load-path folder)
  (add-to-list 'load-path (expand-file-name "clients" folder)))
(require 'lsp-mode)
(require 'aix-lsp-lsp-mode)
(setq lsp-auto-guess-root t lsp-enable-snippet nil lsp-headerline-breadcrumb-enable nil
      lsp-enable-suggest-server-download nil lsp-modeline-code-actions-enable nil
      lsp-warn-no-matched-clients nil lsp-client-packages nil)
(aix-lsp-lsp-mode-setup)
(add-hook 'python-mode-hook (lambda () (lsp) (aix-lsp-mode)))
"""


def fetched() -> Path:
    if not FETCHED.exists():
        pytest.skip("no lsp-mode here: run tests/editors/fetch_debian.sh all")
    return FETCHED


@pytest.fixture
def editor(tmp_path: Path, engine_home: Path) -> Iterator[Emacs]:
    editor = Emacs(tmp_path, engine_home, _LSP_MODE % fetched())
    yield editor
    editor.close()


def test_ghost_text_over_lsp_mode(editor: Emacs) -> None:
    editor.type(" ")
    ghost = editor.settled_line("    return ").removeprefix("    return ")
    editor.keys("Tab")
    text = editor.text()
    assert text.startswith(SOURCE + " " + ghost), text


def test_fast_typing_over_lsp_mode_inserts_nothing(editor: Emacs) -> None:
    assert_fast_typing_inserts_nothing(editor)


def test_streaming_over_lsp_mode(editor: Emacs, engine_home: Path) -> None:
    assert_streams(editor, engine_home)


def test_no_doubled_bracket_over_lsp_mode(tmp_path: Path, engine_home: Path) -> None:
    editor = Emacs(tmp_path, engine_home, _LSP_MODE % fetched() + "(electric-pair-mode 1)", BRACKET)
    try:
        assert_no_doubled_bracket(editor)
    finally:
        editor.close()


def test_package_lint(tmp_path: Path) -> None:
    package_lint = next(fetched().glob("package-lint-*"))
    main = '(setq package-lint-main-file "aix-lsp.el")'
    load = ["-L", str(package_lint), "-l", "package-lint", "--eval", main]
    files = sorted(file.name for file in PACKAGE.glob("*.el"))
    done = subprocess.run(
        [emacs(), "-Q", "--batch", *load, "-f", "package-lint-batch-and-exit", *files],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
