"""`aix-lsp why`: the rule that decides about a file, and where it is defined."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from aix_lsp.commands.settings import command as settings
from aix_lsp.commands.why import command
from aix_lsp.privacy import names
from tests.test_logs import is_harmless


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / ".gitignore").write_text("# made\n\nbuild/\n")
    (project / ".aix-lsp.toml").write_text('prefixLines = 100\nexclude = [\n  "drafts/",\n]\n')
    (project / "a.py").write_text("x = 1\n")
    (project / "link.py").symlink_to("/etc/hostname")
    return project


def why(*arguments: object) -> tuple[int, dict[str, object]]:
    result = CliRunner().invoke(command, [*map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_a_file_that_may_be_sent(project: Path) -> None:
    assert why(project / "a.py") == (0, {"sent": True, "reason": "no rule excludes it"})


@pytest.mark.parametrize(
    ("name", "kind", "rule", "file", "line"),
    [
        ("build/a.py", "ignored", "build/", ".gitignore", 3),
        ("drafts/a.py", "setting", "drafts/", ".aix-lsp.toml", 3),
        ("link.py", "outside", "", "/etc/hostname", 0),
    ],
)
def test_the_rule_and_its_place(project: Path, name: str, kind: str, rule: str, file: str, line: int) -> None:
    code, found = why(project / name)
    assert (code, found["kind"], found["rule"], found["line"]) == (1, kind, rule, line)
    assert found["file"] == str(project / file)


def test_the_users_own_settings(project: Path, tmp_path: Path) -> None:
    from aix_lsp.settings.files import user_file

    user_file().parent.mkdir(parents=True, exist_ok=True)
    user_file().write_text("exclude = ['mine.py']\n")
    _, found = why(project / "mine.py")
    assert (found["file"], found["line"]) == (str(user_file()), 1)


def test_the_table_of_sensitive_names(project: Path) -> None:
    _, found = why(project / ".netrc")
    assert (found["kind"], found["rule"], found["file"]) == ("name", ".netrc", names.__file__)
    line = Path(names.__file__).read_text("utf-8").splitlines()[int(str(found["line"])) - 1]
    assert ".netrc" in line.split()


def test_the_answer_in_prose(project: Path) -> None:
    result = CliRunner().invoke(command, [str(project / "build/a.py")])
    assert f"at:   {project / '.gitignore'}:3" in result.stdout


def test_a_pattern_with_terminal_escapes_is_shown_escaped(project: Path) -> None:
    (project / ".gitignore").write_bytes(b"a.py\x1b*\na.p\xff\n")
    (project / "a.py\x1b[2J").touch()
    (project / os.fsdecode(b"a.p\xff")).touch()
    for name in (b"a.py\x1b[2J", b"a.p\xff"):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "aix_lsp", "why", os.fsencode(project) + b"/" + name],
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 1 and b"rule: a.p" in done.stdout
        assert is_harmless(done.stdout.decode().replace("\n", "")) and not done.stderr


def test_a_projects_settings_send_no_escapes_to_the_terminal(project: Path) -> None:
    (project / ".aix-lsp.toml").write_text(
        'exclude = ["a.py\\u009b2J\\u001b"]\n"\\u001b[2J" = 1\nmultiline = "\\u009b"\n'
    )
    for shows, arguments in ((settings, [project]), (command, [project / "a.py\x9b2J\x1b"])):
        shown = CliRunner().invoke(shows, list(map(str, arguments)))
        assert "a.py" in shown.output and is_harmless(shown.output.replace("\n", ""))
    found = CliRunner().invoke(command, [str(project / "a.py\x9b2J\x1b"), "--json"]).stdout
    assert is_harmless(found.strip()) and json.loads(found)["rule"] == "a.py\x9b2J\x1b"
