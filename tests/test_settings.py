"""Settings: which source wins, and what is refused with which message."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.settings import Layer, Settings, for_language, project_layer, resolve, unwrap, user_layer
from aix_lsp.settings.names import engine_options, external, options
from aix_lsp.settings.validate import Misfit, fit, parse
from aix_lsp.trust import Trust
from tests.test_logs import is_harmless


def only(values: dict[str, Any], trust: Trust = Trust.CHOOSES) -> tuple[Settings, list[str]]:
    settings, problems = resolve([Layer("here", values, trust)])
    return settings, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("model", "model"),
        ("max_tokens", "maxTokens"),
        ("kv_memory_mb", "kvMemoryMb"),
        ("idle_exit_s", "idleExitS"),
    ],
)
def test_external_names(field: str, name: str) -> None:
    assert external(field) == name


GOOD = [
    ("maxTokens", 5, 5),
    ("maxTokens", 5.0, 5),
    ("idleExitS", 3, 3.0),
    ("temperature", 0.5, 0.5),
    ("offline", True, True),
    ("device", "cuda", "cuda"),
    ("exclude", ["*.pem"], ["*.pem"]),
    ("model", "some/model", "some/model"),
]


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_good_values(name: str, value: Any, expected: Any) -> None:
    settings, problems = only({name: value})
    assert problems == []
    found = getattr(settings, options()[name].name)
    assert found == expected
    assert type(found) is type(expected)


WRONG = [
    ({"maxTokns": 3}, ["maxTokns in here", "did you mean maxTokens?"]),
    ({"max_tokens": 3}, ["did you mean maxTokens?"]),
    ({"zzzzqqq": 1}, ["zzzzqqq in here: there is no such setting."]),
    ({"maxTokens": 0}, ["must be an integer, at least 1, not 0; using 64"]),
    ({"maxTokens": 1.5}, ["an integer", "not 1.5"]),
    ({"maxTokens": "12"}, ['not "12"']),
    ({"maxTokens": True}, ["an integer", "not True"]),
    ({"maxTokens": float("nan")}, ["not nan"]),
    ({"temperature": float("inf")}, ["a number, at least 0"]),
    ({"offline": 1}, ["true or false"]),
    ({"device": "gpu"}, ['one of "auto", "cpu", "cuda", "mps"', "did you mean cpu?", 'using "auto"']),
    ({"device": 3}, ["one of", "not 3"]),
    ({"model": None, "exclude": "*.pem"}, ["exclude in here: must be a list of strings"]),
    ({"exclude": [1]}, ["a list of strings"]),
    ({"model": "a\0b"}, ["model in here: must be text without null characters"]),
    ({"exclude": ["a", "\ud800"]}, ["exclude in here: must be text without null characters"]),
    ({"\x1b[2J": 1}, ["[2J in here: there is no such setting"]),
    ({"languages": []}, ["a table"]),
    ({"languages": {"python": 3}}, ["languages.python in here: must be a table"]),
    ({"languages": {"python": {"maxTokens": "x"}}}, ["languages.python.maxTokens in here", "an integer"]),
    ({"languages": {"python": {"url": "x"}}}, ["languages.python.url", "cannot differ by language"]),
    ({"languages": {"python": {"candidate": 2}}}, ["languages.python.candidate", "did you mean candidates?"]),
]


@pytest.mark.parametrize(("values", "told"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_values_are_named_and_ignored(values: dict[str, Any], told: list[str]) -> None:
    settings, problems = only(values)
    assert len(problems) == 1
    assert all(part in problems[0] for part in told), problems[0]
    assert is_harmless(problems[0])
    name = next(iter(values))
    if name in options() and name != "languages":
        assert getattr(settings, options()[name].name) == getattr(Settings(), options()[name].name)


def test_secrets_are_not_repeated() -> None:
    _, problems = only({"apiKey": ["sk-very-secret"]})
    assert "secret" not in problems[0]


def test_later_layers_win_and_wrong_ones_do_not() -> None:
    layers = [
        Layer("file", {"maxTokens": 10, "candidates": 2}),
        Layer("editor", {"maxTokens": 20, "candidates": "many", "deadlineMs": None}),
        Layer("flags", {"maxTokens": 30}),
    ]
    settings, problems = resolve(layers)
    assert (settings.max_tokens, settings.candidates) == (30, 2)
    assert settings.deadline_ms == Settings().deadline_ms
    assert [str(problem) for problem in problems] == [
        'candidates in editor: must be an integer, at least 1, not "many"; using 2.'
    ]


def test_exclusions_add_up() -> None:
    settings, _ = resolve(
        [Layer("user", {"exclude": ["a"]}), Layer("project", {"exclude": []}, Trust.SHAPES)]
    )
    assert settings.exclude == ["a"]


def test_a_project_allows_nothing() -> None:
    project = Layer("project", {"exclude": ["!*", " !.env", "b"]}, Trust.SHAPES)
    settings, problems = resolve([Layer("user", {"exclude": ["a", "!a/b"]}), project])
    assert settings.exclude == ["a", "!a/b", "b"]
    assert [problem.name for problem in problems] == ["exclude"]


def test_languages_merge_by_setting() -> None:
    layers = [
        Layer("file", {"languages": {"python": {"maxTokens": 10, "candidates": 1}, "c": {"enabled": False}}}),
        Layer("editor", {"languages": {"python": {"maxTokens": 20}}}),
    ]
    settings, problems = resolve(layers)
    assert problems == []
    python = for_language(settings, "python")
    assert (python.max_tokens, python.candidates) == (20, 1)
    assert not for_language(settings, "c").enabled
    assert for_language(settings, "rust") is settings


@pytest.mark.parametrize("name", [n for n, o in options().items() if o.scope == "user"])
def test_a_project_may_not_choose_what_is_run_or_contacted(name: str) -> None:
    value = {str: "x", int: 7, float: 7.0, bool: True}.get(options()[name].kind, "cpu")
    settings, problems = only({name: value}, Trust.SHAPES)
    assert settings == Settings()
    assert "a project may not set this" in problems[0]


def test_every_dangerous_setting_belongs_to_the_user() -> None:
    """The list that a security review would ask for; a new setting of this kind belongs in it."""
    dangerous = {
        "model",
        "url",
        "apiKey",
        "trustRemoteCode",
        "remoteModel",
        "device",
        "offline",
        "remoteFormat",
    }
    assert dangerous <= {n for n, o in options().items() if o.scope == "user"}
    assert all(option.scope == "user" for option in engine_options())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"aix": {"model": "m"}}, {"model": "m"}),
        ({"model": "m"}, {"model": "m"}),
        (None, {}),
        ([1], {}),
        ({}, {}),
    ],
)
def test_unwrap(given: Any, expected: dict[str, Any]) -> None:
    assert unwrap(given) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("maxTokens", "12", 12),
        ("temperature", "0.5", 0.5),
        ("offline", "true", True),
        ("offline", "off", False),
        ("offline", "1", True),
        ("offline", " On ", True),
        ("idleExitS", "60", 60.0),
        ("maxTokens", "12.0", 12),
        ("exclude", "*.pem, secret/", ["*.pem", "secret/"]),
        ("model", "7", "7"),
        ("multiline", "never", "never"),
    ],
)
def test_flags(name: str, text: str, expected: Any) -> None:
    assert parse(name, text) == expected


@pytest.mark.parametrize(
    ("name", "text"), [("maxTokens", "many"), ("offline", "maybe"), ("languages", "x"), ("device", "gpu")]
)
def test_wrong_flags(name: str, text: str) -> None:
    with pytest.raises(Misfit):
        parse(name, text)


FILES = [
    (b"maxTokens = 7\n", 7, []),
    (b"[aix]\nmaxTokens = 7\n", 7, []),
    (b"maxTokens = \n", 64, ["is not TOML", "line 1"]),
    (b"\xff\xfa", 64, ["is not UTF-8"]),
    (b"# " + b"x" * (1 << 20), 64, ["larger than 256 KiB"]),
    (b"", 64, []),
]


@pytest.mark.parametrize(("content", "tokens", "told"), FILES, ids=lambda v: str(v)[:20])
def test_files(
    content: bytes, tokens: int, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    file = tmp_path / "config" / "config.toml"
    file.parent.mkdir()
    file.write_bytes(content)
    settings, problems = resolve([user_layer()])
    assert settings.max_tokens == tokens
    assert len(problems) == bool(told)
    assert all(part in str(problems[0]) for part in [*told, str(file)] if told)


def test_missing_and_impossible_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    (tmp_path / ".aix-lsp.toml").mkdir()
    settings, problems = resolve([user_layer(), project_layer(tmp_path), project_layer(tmp_path / "gone")])
    assert settings == Settings()
    assert ["cannot be read" in str(problem) for problem in problems] == [True]


def test_project_file_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / ".aix-lsp.toml").write_text('url = "http://evil"\nmaxTokens = 9\n')
    settings, problems = resolve([project_layer(tmp_path)])
    assert (settings.url, settings.max_tokens, len(problems)) == ("", 9, 1)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(list(options())) | st.text(max_size=10)


@given(st.lists(st.dictionaries(_NAMES, _JSON, max_size=4), max_size=3), st.sampled_from(Trust))
def test_settings_have_the_right_types_whatever_the_input(layers: list[dict[str, Any]], trust: Trust) -> None:
    settings, _ = resolve([Layer(str(i), values, trust) for i, values in enumerate(layers)])
    again, problems = resolve([Layer("again", {n: getattr(settings, o.name) for n, o in options().items()})])
    assert problems == []
    assert again == settings
    for language in settings.languages:
        assert isinstance(for_language(settings, language), Settings)


def test_url_is_one_or_several() -> None:
    assert fit("url", "http://a") == "http://a"
    assert fit("url", ["http://a", "http://b"]) == ["http://a", "http://b"]
    assert parse("url", "http://a,http://b") == ["http://a", "http://b"]
    assert parse("url", "http://a") == "http://a"
    wrong: Any
    for wrong in (7, [7], {}, True):
        with pytest.raises(Misfit, match="a string or a list of strings"):
            fit("url", wrong)
    assert Settings().urls == ()
    assert Settings(url="http://a").urls == ("http://a",)
    assert Settings(url=["http://a", "", "http://b", "http://a"]).urls == ("http://a", "http://b")


@pytest.mark.skipif(sys.platform == "win32", reason="modes of Unix")
@pytest.mark.parametrize("what", ["file", "folder", "neither"])
def test_a_world_writable_settings_file_is_not_the_users(
    what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    file = tmp_path / "config" / "config.toml"
    file.parent.mkdir(mode=0o755)
    file.write_text('url = "http://evil.example"\n')
    file.chmod(0o666 if what == "file" else 0o644)
    file.parent.chmod(0o777 if what == "folder" else 0o755)
    layer = user_layer()
    settings, problems = resolve([layer])
    if what == "neither":
        assert settings.url == "http://evil.example" and not problems
    else:
        assert settings == Settings()
        assert "chmod o-w" in str(problems[0])
