"""Settings as flags of the engine, and the pages and schemas generated from the table."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.settings import Settings
from aix_lsp.settings.flags import engine_arguments, engine_flags
from aix_lsp.settings.names import options
from aix_lsp.settings.schema import json_schema, markdown, vscode_properties
from aix_lsp.settings.table import EngineOptions

REPOSITORY = Path(__file__).parent.parent


_VALUES: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    str: st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    int: st.integers(0, 4096),
    float: st.floats(0, 2_592_000).map(lambda value: float(f"{value:g}")),
}


def _values(kind: Any) -> st.SearchStrategy[Any]:
    return _VALUES[kind] if kind in _VALUES else st.sampled_from(get_args(kind))


@given(st.data())
def test_the_engine_reads_the_flags_that_a_server_writes(data: st.DataObject) -> None:
    hints = get_type_hints(EngineOptions)
    given_values = {field.name: data.draw(_values(hints[field.name])) for field in fields(EngineOptions)}
    options = EngineOptions(**given_values)
    found: list[EngineOptions] = []

    @click.command()
    @engine_flags
    def engine(**values: Any) -> None:
        found.append(EngineOptions(**values))

    engine.main(engine_arguments(options), standalone_mode=False)
    assert found == [options]


def test_the_engine_s_flags_have_the_table_s_defaults() -> None:
    found: list[EngineOptions] = []

    @click.command()
    @engine_flags
    def engine(**values: Any) -> None:
        found.append(EngineOptions(**values))

    engine.main([], standalone_mode=False)
    assert found == [EngineOptions()]


def test_docs_are_current() -> None:
    """Regenerate with: aix-lsp settings --markdown > docs/settings.md"""
    assert (REPOSITORY / "docs" / "settings.md").read_text("utf-8") == markdown()


def test_the_vscode_extension_has_the_table() -> None:
    """Regenerate with: npm run settings, in editors/vscode"""
    manifest = json.loads((REPOSITORY / "editors" / "vscode" / "package.json").read_text("utf-8"))
    assert manifest["contributes"]["configuration"][1]["properties"] == vscode_properties()


def test_schema_covers_the_table_and_holds_its_defaults() -> None:
    properties = json_schema()["properties"]
    assert len(properties) == len(fields(Settings))
    for name, schema in properties.items():
        assert schema["description"]
        assert schema["default"] == json.loads(json.dumps(getattr(Settings(), options()[name].name)))
    vscode = vscode_properties()
    assert vscode["aix.url"]["scope"] == "machine"
    assert vscode["aix.maxTokens"]["scope"] == "language-overridable"


def test_no_vs_code_workspace_setting_names_a_program() -> None:
    """Programs are set per machine: a workspace's settings belong to the project."""
    manifest = json.loads((REPOSITORY / "editors" / "vscode" / "package.json").read_text("utf-8"))
    settings = {
        name: setting
        for group in manifest["contributes"]["configuration"]
        for name, setting in group["properties"].items()
    }
    server = {name: setting for name, setting in settings.items() if name.startswith("aix.server.")}
    assert {"aix.server.command", "aix.server.environment"} <= set(server)
    assert {name for name, setting in server.items() if setting.get("scope") != "machine"} == set()
