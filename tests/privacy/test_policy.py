"""Files that must never be sent: by name, by ignore files, by settings. Untitled buffers may be sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from aix_lsp.privacy import ignore, policy
from aix_lsp.privacy.policy import Privacy
from aix_lsp.settings import Settings
from tests.privacy.judged import inactive_reason


@pytest.mark.parametrize(
    ("name", "inactive"),
    [
        (".env", True),
        (".env.production", True),
        (".ENV", True),
        ("prod.env", True),
        (".env.example", False),
        ("environment.py", False),
        ("id_rsa", True),
        ("id_ed25519.pub", False),
        ("server.pem", True),
        ("key.py", False),
        (".aws/credentials", True),
        ("src/credentials.py", False),
        (".ssh/config", True),
        ("infra/prod.tfvars", True),
        ("a.py", False),
        ("with space/ü.py", False),
    ],
)
def test_by_name(tmp_path: Path, name: str, inactive: bool) -> None:
    reason = inactive_reason((tmp_path / name).as_uri(), Settings(), [tmp_path])
    assert (reason is not None) == inactive
    if reason:
        assert "aix.exclude" in reason


@pytest.mark.parametrize(
    ("uri", "inactive"),
    [
        ("untitled:Untitled-1", False),
        ("vscode-notebook-cell:/home/a/b.ipynb#X1", False),
        ("vscode-remote://host/home/a/.env", True),
        ("git:/home/a/.env?ref", True),
        ("file:///home/a/%2Eenv", True),
        ("file://other/home/a/.env", True),
        ("file:///home/a/.env%00", False),
        ("", False),
        ("file://[bad", False),
        ("not a uri at all", False),
    ],
)
def test_other_schemes(uri: str, inactive: bool) -> None:
    assert (inactive_reason(uri, Settings()) is not None) == inactive


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / ".git/info").mkdir(parents=True)
    (tmp_path / ".git/info/exclude").write_text("mine.py\n")
    (tmp_path / ".gitignore").write_text("build/\n*.log\n!keep.log\n/top.py\n# comment\n\n[bad\n")
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/.gitignore").write_text("!b/debug.log\nlocal.py\n")
    (tmp_path / "a/.aixignore").write_text("b/private.py\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "build/.gitignore").write_text("!*\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "inactive"),
    [
        ("a/b/c.py", False),
        ("x.log", True),
        ("keep.log", False),
        ("a/x.log", True),
        ("a/b/debug.log", False),
        ("a/local.py", True),
        ("local.py", False),
        ("a/b/private.py", True),
        ("top.py", True),
        ("a/top.py", False),
        ("build/x.py", True),
        ("a/build/deep/x.py", True),
        ("mine.py", True),
    ],
)
@pytest.mark.parametrize("root", ["", "a", None])
def test_ignore_files_up_to_the_repositorys_top(
    tree: Path, name: str, inactive: bool, root: str | None
) -> None:
    roots = [] if root is None else [tree / root]
    assert (inactive_reason((tree / name).as_uri(), Settings(), roots) is not None) == inactive


def test_an_ignore_file_of_a_workspace_without_git(tmp_path: Path) -> None:
    (tmp_path / ".aixignore").write_text("notes/\n")
    uri = (tmp_path / "notes/deep/a.md").as_uri()
    assert inactive_reason(uri, Settings(), [tmp_path]) is not None
    assert inactive_reason(uri, Settings(), []) is None


def test_the_setting_takes_precedence(tree: Path) -> None:
    settings = Settings(exclude=["drafts/", "!x.log", "!.env"])
    assert inactive_reason((tree / "drafts/a.md").as_uri(), settings, [tree]) is not None
    assert inactive_reason((tree / "x.log").as_uri(), settings, [tree]) is None
    assert inactive_reason((tree / ".env").as_uri(), settings, [tree]) is None


def test_answers_are_cached_per_settings(tree: Path) -> None:
    privacy, uri = Privacy(lambda: [tree]), (tree / "a/b/c.py").as_uri()
    assert privacy.inactive_reason(uri, Settings()) is None
    assert privacy.inactive_reason(uri, Settings(exclude=["c.py"])) is not None


def reason(path: Path | str, roots: list[Path], exclude: list[str] | None = None) -> str | None:
    uri = path if isinstance(path, str) else path.as_uri()
    return inactive_reason(uri, Settings(exclude=exclude or []), roots)


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A project with links to what must not be sent, and to what may."""
    user, project = tmp_path / "user", tmp_path / "project"
    for file in (
        user / ".ssh/id_rsa",
        user / "notes/plan.py",
        project / ".env",
        project / "out/x.py",
        project / "a.py",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x = 1\n")
    (project / ".gitignore").write_text("out/\n")
    for name, target in {
        "key.py": user / ".ssh/id_rsa",
        "shadow.py": Path("/etc/shadow"),
        "environment.py": Path(".env"),
        "ignored.py": Path("out/x.py"),
        "outside.py": user / "notes/plan.py",
        "again.py": Path("outside.py"),
        "folder": user / "notes",
        "inner": Path("out"),
        "home": user,
        "fine.py": Path("a.py"),
    }.items():
        (project / name).symlink_to(target)
    return project


@pytest.mark.parametrize(
    ("name", "inactive"),
    [
        ("key.py", True),
        ("shadow.py", True),
        ("environment.py", True),
        ("ignored.py", True),
        ("outside.py", True),
        ("again.py", True),
        ("folder/plan.py", True),
        ("inner/x.py", True),
        ("home/.ssh/id_rsa", True),
        ("folder/new.py", True),
        ("fine.py", False),
        ("a.py", False),
        ("new.py", False),
    ],
)
def test_links_are_judged_by_their_target(linked: Path, name: str, inactive: bool) -> None:
    assert (reason(linked / name, [linked]) is not None) == inactive


def test_the_user_may_allow_the_target_of_a_link(linked: Path) -> None:
    assert reason(linked / "outside.py", [linked], ["!outside.py"]) is None
    assert reason(linked / "key.py", [linked], ["!key.py"]) is not None
    assert reason(linked / "outside.py", [linked, linked.parent / "user"]) is None


@pytest.mark.parametrize("document", ["real", "link"])
@pytest.mark.parametrize("root", ["real", "link"])
def test_a_root_is_the_same_however_it_is_spelt(tmp_path: Path, root: str, document: str) -> None:
    (tmp_path / "real/src").mkdir(parents=True)
    (tmp_path / "real/src/a.py").write_text("")
    (tmp_path / "real/.gitignore").write_text("build.py\n")
    (tmp_path / "link").symlink_to("real")
    folder, roots = tmp_path / document, [tmp_path / root]
    assert reason(folder / "src/a.py", roots) is None
    assert reason(folder / "src/b.py", roots, ["/src/b.py"]) is not None
    assert reason(folder / "src/build.py", roots) is not None
    assert reason(folder / ".env", roots, ["!.env"]) is None


@pytest.mark.parametrize(
    "path",
    [".aws/credentials", ".kube/config", ".docker/config.json", "sub/.kube/config", ".config/gcloud/x.json"],
)
@pytest.mark.parametrize("root", [None, "", ".kube", ".aws", ".docker"])
def test_name_rules_apply_to_the_absolute_path(tmp_path: Path, path: str, root: str | None) -> None:
    roots = [tmp_path / root] if root is not None else []
    assert reason(tmp_path / path, roots) is not None


@pytest.mark.parametrize(
    "uri",
    [
        "git:{}?ref",
        'git:{}.git?{{"path":"{}","ref":"~"}}',
        "vscode-vfs://github{}",
        "vscode-notebook-cell:{}#X1",
        "vscode-remote://host{}",
        "untitled:{}",
        "gitlens://x{}?y",
        "fugitive://{top}/.git//0/{name}",
        "diffview://{top}/.git/:0:/{name}",
        "gitsigns://{top}/.git//HEAD~1:{name}",
    ],
)
@pytest.mark.parametrize("name", ["out/x.py", ".env", "mine/a.py"])
def test_a_view_of_a_file_is_judged_as_the_file(linked: Path, uri: str, name: str) -> None:
    uris = [uri.format(linked / path, linked / path, top=linked, name=path) for path in (name, "a.py")]
    assert [reason(each, [linked], ["/mine/"]) is None for each in uris] == [False, True]


def test_names_where_case_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text("[core]\n\tignorecase = true\n")
    (tmp_path / ".gitignore").write_text("Private/\n")
    assert reason(tmp_path / "PRIVATE/a.py", [tmp_path]) is not None
    assert reason(tmp_path / "ID_RSA", [tmp_path]) is not None


def test_a_file_system_that_ignores_case(tmp_path: Path) -> None:
    """On it, `PRIVATE/a.py` opens the ignored `Private/a.py`, whether or not git is configured for that."""
    (tmp_path / ".aixignore").write_text("Private/\n")
    (tmp_path / "Private").mkdir()
    (tmp_path / "Private/a.py").touch()
    is_the_same = (tmp_path / "PRIVATE/a.py").exists()
    assert (reason(tmp_path / "PRIVATE/a.py", [tmp_path]) is not None) is is_the_same
    assert reason(tmp_path / "Private/a.py", [tmp_path]) is not None


def test_a_rule_can_be_found(tree: Path) -> None:
    refusal = Privacy(lambda: [tree]).refusal((tree / "a/x.log").as_uri(), Settings())
    assert refusal is not None
    assert (refusal.kind, refusal.file, refusal.line, refusal.rule) == (
        "ignored",
        tree / ".gitignore",
        2,
        "*.log",
    )


HOSTILE = {
    "many": "\n".join(f"name{number}" for number in range(200_000)),
    "wild": "\n".join(f"*{number}*x*" for number in range(20_000)),
    "long": "*a" * 10_000,
}


@pytest.mark.parametrize("rules", HOSTILE.values(), ids=HOSTILE.keys())
def test_rules_beyond_the_limits_exclude_everything(
    tmp_path: Path, rules: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".gitignore").write_text(rules)
    assert "cannot be applied" in (reason(tmp_path / "a.py", [tmp_path]) or "")
    assert ".gitignore has" in caplog.text


def test_a_glob_of_many_stars_takes_linear_time(tmp_path: Path) -> None:
    """With backtracking, each of these would take longer than the age of the universe."""
    (tmp_path / ".gitignore").write_text("\n".join(["*a" * 40 + "b", "**/" + "*a*/**/" * 20 + "b"] * 50))
    assert reason(tmp_path / ("a" * 200) / ("a" * 200), [tmp_path]) is None


def test_a_folder_far_down(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["d"] * 200)
    folder.mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("x.py\n")
    privacy = Privacy(lambda: [tmp_path])
    refused = [privacy.inactive_reason((folder / name).as_uri(), Settings()) for name in ("x.py", "y.py")]
    assert [answer is not None for answer in refused] == [True, False]


def test_other_tools_ignore_files_count(tmp_path: Path) -> None:
    (tmp_path / ".cursorignore").write_text("a.py\n")
    (tmp_path / ".gitignore").write_text("!a.py\n")
    assert reason(tmp_path / "a.py", [tmp_path]) is not None


def test_an_answer_that_expires_at_once_is_an_answer(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (policy, ignore):
        monkeypatch.setattr(module, "_REMEMBERED_S", 0.0)
    privacy = Privacy(lambda: [tree])
    assert privacy.inactive_reason((tree / "a/b/c.py").as_uri(), Settings()) is None
    assert privacy.inactive_reason((tree / "a/x.log").as_uri(), Settings())
