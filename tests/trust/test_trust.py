"""Every setting from every source: a less trusted source can only restrict."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.lsp.workspace import Configuration, Workspace
from aix_lsp.settings import Layer, Settings, for_language, resolve
from aix_lsp.settings.names import options
from aix_lsp.settings.schema import trust_tables
from aix_lsp.trust import SettingsSource, Trust, trust_in

DOCS = Path(__file__).parents[2] / "docs" / "security.md"
ALL = [name for name in options() if name != "languages"]


def another(name: str) -> Any:
    """A value other than the default; for an option that decides what is sent, one that sends more."""
    kind, default = options()[name].kind, getattr(Settings(), options()[name].name)
    if get_origin(kind) is Literal:
        return "always" if "always" in get_args(kind) else next(c for c in get_args(kind) if c != default)
    if kind is bool:
        return not default
    if kind is int or kind is float:
        maximum = options()[name].maximum
        assert maximum is not None
        return kind(maximum)
    return ["x"] if get_origin(kind) is list else "x"


def held(settings: Settings, name: str) -> Any:
    return getattr(settings, options()[name].name)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("source", "client", "workspace"),
    [
        (SettingsSource.USER, True, True),
        (SettingsSource.PROJECT, True, True),
        (SettingsSource.PROJECT, True, False),
        (SettingsSource.EDITOR, True, True),
        (SettingsSource.EDITOR, False, True),
        (SettingsSource.CLIENT, True, True),
        (SettingsSource.CLIENT, False, True),
        (SettingsSource.COMMANDS, True, True),
        (SettingsSource.COMMANDS, False, True),
        (SettingsSource.FLAGS, True, True),
        (SettingsSource.FLAGS, False, False),
    ],
)
def test_every_setting_from_every_source(
    source: SettingsSource, client: bool, workspace: bool, name: str
) -> None:
    value, how_far = another(name), trust_in(source, client=client, workspace=workspace)
    low = {
        n: "never" if n == "prefetch" else type(held(Settings(), n))() for n in ALL if options()[n].narrows
    }
    user = Layer(SettingsSource.USER, low)
    settings, problems = resolve([user, Layer(source, {name: value}, how_far)])
    taken, option = held(settings, name), options()[name]
    if how_far is Trust.CHOOSES:
        assert taken == value and not problems
    elif option.scope == "user":
        assert taken == held(Settings(), name) and problems
    elif name == "exclude":
        assert taken == value and not problems
    elif option.narrows:
        assert taken == low[name] and (problems or value == low[name])
    elif how_far is Trust.SHAPES:
        assert taken == value and not problems
    else:
        assert taken == held(Settings(), name) and problems


_NARROWING = [name for name in ALL if options()[name].narrows and name not in ("exclude", "contextClipboard")]


def _values(name: str) -> st.SearchStrategy[Any]:
    kind = options()[name].kind
    if kind is bool:
        return st.booleans()
    return st.integers(0, 3000) if kind is int else st.sampled_from(get_args(kind))


_GIVEN = st.fixed_dictionaries({}, optional={name: _values(name) for name in _NARROWING})
_LAYER = st.tuples(_GIVEN, st.dictionaries(st.sampled_from(["python", "go"]), _GIVEN, max_size=2))


@given(_LAYER, st.lists(st.tuples(_LAYER, st.sampled_from([Trust.SHAPES, Trust.NARROWS])), max_size=3))
def test_a_less_trusted_source_only_narrows(user: Any, others: list[Any]) -> None:
    """Whatever a project sets, for all languages or one, nothing is sent that the user's settings would not send."""

    def layer(given: Any, how_far: Trust) -> Layer:
        return Layer("x", {**given[0], "languages": given[1]}, how_far)

    alone, _ = resolve([layer(user, Trust.CHOOSES)])
    both, _ = resolve([layer(user, Trust.CHOOSES), *(layer(given, how_far) for given, how_far in others)])
    order = {"never": 0, "auto": 1, "always": 2}
    for language in ("python", "go", "other"):
        before, after = for_language(alone, language), for_language(both, language)
        for name in _NARROWING:
            was, made = held(before, name), held(after, name)
            assert order.get(made, made) <= order.get(was, was), (language, name)


@given(_GIVEN, st.lists(_LAYER, max_size=2))
def test_a_project_switches_off_for_every_language(project: dict[str, Any], user: list[Any]) -> None:
    layers = [Layer("user", {**given[0], "languages": given[1]}) for given in user]
    settings, _ = resolve([*layers, Layer("project", project, Trust.SHAPES)])
    order = {"never": 0, "auto": 1, "always": 2}
    for language in ("python", "go", "other"):
        for name, value in project.items():
            made = held(for_language(settings, language), name)
            assert order.get(made, made) <= order.get(value, value)


@pytest.mark.parametrize(
    "pattern", ["!*", " !*", "\t!*", "\ufeff!*", "x\n!*", "x\r!*", "x\u2028!*", "\u200b!*", "!", "  ! *"]
)
@pytest.mark.parametrize("how_far", [Trust.SHAPES, Trust.NARROWS])
def test_a_pattern_that_allows_is_left_out(pattern: str, how_far: Trust) -> None:
    layers = [
        Layer("user", {"exclude": ["*.pem", "!a.pem"]}),
        Layer("p", {"exclude": ["b", pattern]}, how_far),
    ]
    settings, problems = resolve(layers)
    assert settings.exclude == ["*.pem", "!a.pem", "b"]
    assert len(problems) == 1


@pytest.mark.parametrize("name", [n for n in ALL if options()[n].minimum is not None])
def test_every_number_is_bounded(name: str) -> None:
    option = options()[name]
    assert option.minimum is not None and option.maximum is not None
    for value in (10**9, 10**12, 1e300, 10**400, 10**5000, -1e300, float("inf"), float("nan"), -1):
        if isinstance(value, int | float) and not (option.minimum <= value <= option.maximum):
            settings, problems = resolve([Layer("here", {name: value})])
            assert settings == Settings() and len(problems) == 1


@pytest.mark.parametrize("name", [n for n in ALL if options()[n].kind in (str, list[str])])
def test_every_string_is_bounded(name: str) -> None:
    long = "x" * 100_000
    for value in [long] if options()[name].kind is str else [[long], ["x"] * 100_000]:
        settings, problems = resolve([Layer("here", {name: value})])
        assert settings == Settings() and len(str(problems[0])) < 500


def test_a_hundred_thousand_mistakes_are_reported_in_twenty_lines() -> None:
    settings, problems = resolve(
        [Layer("here", {f"maxToken{i}": i for i in range(3_000)} | {"x" * 100_000: 1})]
    )
    assert settings == Settings()
    assert len(problems) == 21 and "2981 more" in str(problems[-1])


def _configuration(tmp_path: Path, **options: Any) -> tuple[Configuration, Workspace]:
    (tmp_path / ".aix-lsp.toml").write_text('maxTokens = 7\nexclude = ["secret"]\nenabled = true\n')
    workspace, configuration = Workspace(), Configuration({})
    workspace.add(tmp_path.as_uri())
    configuration.set_options(options)
    return configuration, workspace


async def _settings(configuration: Configuration, workspace: Workspace, folder: Path) -> Settings:
    layers = await configuration.read_files([each.path for each in workspace.folders])
    return configuration.resolve(workspace.folders, layers)[0][folder.as_uri()]


async def test_an_untrusted_workspace_has_less_influence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings file can exclude and switch off; no other file of it is parsed, until the user trusts it."""
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    configuration, workspace = _configuration(tmp_path, workspaceTrusted=False)
    made = await _settings(configuration, workspace, tmp_path)
    assert (made.max_tokens, made.exclude) == (64, ["secret"])
    assert not (
        made.context_imports or made.context_definitions or made.context_siblings or made.context_similar
    )
    configuration.set_pulled({"": {"workspaceTrusted": True}})
    made = await _settings(configuration, workspace, tmp_path)
    assert (made.max_tokens, made.exclude, made.context_imports) == (7, ["secret"], True)


async def test_a_workspace_is_trusted_if_the_editor_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    assert (await _settings(*_configuration(tmp_path), tmp_path)).max_tokens == 7


@pytest.mark.parametrize(
    ("start", "pulled", "tokens"),
    [
        ("false", None, 64),
        (0, None, 64),
        ([], None, 64),
        (None, None, 7),
        (False, None, 64),
        (None, "no", 64),
    ],
)
async def test_only_true_and_nothing_mean_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Any, pulled: Any, tokens: int
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    configuration, workspace = _configuration(tmp_path, workspaceTrusted=start)
    configuration.set_pulled({"": {"workspaceTrusted": pulled}})
    assert (await _settings(configuration, workspace, tmp_path)).max_tokens == tokens


def test_the_page_shows_the_table() -> None:
    """Regenerate with: aix-lsp settings --trust"""
    assert trust_tables() in DOCS.read_text("utf-8")


def test_each_test_that_the_page_names_exists() -> None:
    tests = Path(__file__).parents[1]
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", DOCS.read_text("utf-8"))
    assert len(named) > 40
    missing = [
        (file, name) for file, name in named if f"def {name}(" not in (tests / file).read_text("utf-8")
    ]
    assert not missing
