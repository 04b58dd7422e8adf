"""Writes the table as a JSON schema for editors and as the page docs/settings.md."""

from __future__ import annotations

import json
from typing import Any, Literal, get_args, get_origin

import msgspec

from aix_lsp.settings.names import SECTION, STRING_OR_LIST, options
from aix_lsp.settings.validate import constrained
from aix_lsp.trust import SettingsSource, Trust

_HEAD = """\
# Settings

Generated from `aix_lsp/settings/table.py` by `aix-lsp settings --markdown`; do not edit.

If a setting is given more than once, the last of these sources wins:

1. the default,
2. your own file, `config.toml` (`aix-lsp settings --where` prints its path),
3. a project's `.aix-lsp.toml`,
4. the editor's configuration, in the section `aix`,
5. the client's `initializationOptions`,
6. command-line flags (`aix-lsp --set maxTokens=128`).

An unknown name or an invalid value is reported along with the closest valid one, and the previous value stays in
force.

Settings marked **user** decide which code runs, which server is contacted and what is disclosed, so a project's file
cannot set them. Those marked **lower** decide what is sent: a project's file can only lower them, turn them off or
exclude more ([security.md](security.md)). Those marked **language** can be set per language:

```toml
maxTokens = 96

[languages.python]
maxTokens = 128
```
"""


def property_schema(name: str) -> dict[str, Any]:
    """The JSON schema of one option."""
    schema: dict[str, Any] = {"description": options()[name].doc, "default": options()[name].default}
    schema |= msgspec.json.schema(constrained(name))
    if "enum" in schema:  # VS Code also wants the type, and the choices in our order, not in msgspec's
        schema |= {"type": "string", "enum": list(get_args(options()[name].kind))}
    if options()[name].kind == STRING_OR_LIST:  # VS Code's settings page shows no `anyOf`
        schema = {name: value for name, value in schema.items() if name != "anyOf"}
        schema |= {"type": ["string", "array"], "items": {"type": "string"}}
    if get_origin(options()[name].kind) is dict:
        schema["additionalProperties"] = _language_schema()
    return schema


def json_schema() -> dict[str, Any]:
    """The schema of a settings file, or of the section in an editor's configuration."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aix-lsp settings",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: property_schema(name) for name in options()},
    }


def vscode_properties() -> dict[str, Any]:
    """The options as VS Code's `contributes.configuration.properties`.

    Options that only the user may set have the scope "machine", so that a workspace cannot set them.
    """
    found = {}
    for name, option in options().items():
        user_only = option.scope == "user"
        scope = "machine" if user_only else "language-overridable" if option.per_language else "resource"
        found[f"{SECTION}.{name}"] = property_schema(name) | {"scope": scope}
    return found


def markdown() -> str:
    """The page docs/settings.md."""
    lines = [_HEAD.rstrip("\n")]
    for name, option in options().items():
        if option.group:
            lines += [
                f"\n## {option.group}\n",
                "| setting | type | default | | meaning |",
                "|---|---|---|---|---|",
            ]
        lines.append(_row(name))
    return "\n".join(lines) + "\n"


def _row(name: str) -> str:
    option = options()[name]
    user = option.scope == "user"
    marks = ["user"] * user + ["lower"] * (option.narrows and not user)
    marks += ["language"] * option.per_language
    doc = option.doc.replace("|", "\\|")
    default = json.dumps(option.default, ensure_ascii=False)
    unit = f" {option.unit}" if option.unit else ""
    return f"| `{name}` | {_type_name(name)} | `{default}`{unit} | {', '.join(marks)} | {doc} |"


def _type_name(name: str) -> str:
    kind = options()[name].kind
    if get_origin(kind) is Literal:
        return " \\| ".join(f'`"{choice}"`' for choice in get_args(kind))
    if kind == STRING_OR_LIST:
        return "string or list of strings"
    if get_origin(kind) is list:
        return "list of strings"
    if get_origin(kind) is dict:
        return "table"
    low, high = options()[name].minimum, options()[name].maximum
    word = {bool: "boolean", str: "string", int: "integer", float: "number"}[kind]
    return word if low is None else f"{word}, {low:.12g} to {high:.12g}"


def _language_schema() -> dict[str, Any]:
    inner = {name: property_schema(name) for name, o in options().items() if o.per_language}
    return {"type": "object", "additionalProperties": False, "properties": inner}


def trust_tables() -> str:
    """The tables of docs/security.md: what each source may do, and which settings each may give."""
    rows = [
        (SettingsSource.DEFAULTS, Trust.CHOOSES, ""),
        (SettingsSource.USER, Trust.CHOOSES, "`config.toml`"),
        (SettingsSource.PROJECT, Trust.SHAPES, "`.aix-lsp.toml`"),
        (SettingsSource.PROJECT, Trust.NARROWS, "the same, in a workspace that the editor does not trust"),
        (SettingsSource.EDITOR, Trust.CHOOSES, "`workspace/configuration`, `didChangeConfiguration`"),
        (SettingsSource.CLIENT, Trust.CHOOSES, ""),
        (SettingsSource.EDITOR, Trust.SHAPES, "those two and commands, over a socket with `--no-token`"),
        (SettingsSource.FLAGS, Trust.CHOOSES, "`--model`, `--set`"),
        (SettingsSource.COMMANDS, Trust.CHOOSES, "`aix.switchModel` and others"),
    ]
    lines = [
        "| source, later ones winning | runs and contacts | allows | shapes | forbids |",
        "|---|---|---|---|---|",
    ]
    for source, trust, note in rows:
        name = f"{source} ({note})" if note else str(source)
        marks = [trust >= Trust.CHOOSES, trust >= Trust.CHOOSES, trust >= Trust.SHAPES, True]
        lines.append(f"| {name} | {' | '.join('yes' if mark else 'no' for mark in marks)} |")
    groups = {
        "Decide what is run, contacted or disclosed (only the user sets them)": [],
        "Decide what is sent (a project can only lower them, turn them off, or add to `exclude`)": [],
        "Shape suggestions (a project may set them, within the bounds)": [],
    }  # type: dict[str, list[str]]
    user, sent, shape = groups.values()
    for name, option in options().items():
        if name != "languages":
            (user if option.scope == "user" else sent if option.narrows else shape).append(name)
    lines += ["", "| settings | |", "|---|---|"]
    lines += [f"| {title} | {', '.join(f'`{name}`' for name in names)} |" for title, names in groups.items()]
    return "\n".join(lines) + "\n"
