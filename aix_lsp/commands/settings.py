"""`aix-lsp settings`: the settings in effect in a folder, and the table in the formats for editors and docs."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("settings")
@click.option("--where", "form", flag_value="where", help="Print the paths of the settings files.")
@click.option("--json-schema", "form", flag_value="schema", help="Print the JSON schema of a settings file.")
@click.option("--vscode", "form", flag_value="vscode", help="Print VS Code's configuration properties.")
@click.option("--markdown", "form", flag_value="markdown", help="Print the page docs/settings.md.")
@click.option(
    "--trust", "form", flag_value="trust", help="Print the tables of who may set what, for docs/security.md."
)
@click.option("--language", default="", help="Show the settings that apply to this language id.")
@click.argument("folder", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
def command(form: str | None, language: str, folder: Path) -> None:
    """Show the settings in effect for the project in FOLDER, as set by files."""
    if form is not None:
        click.echo(_described(form, folder))
        return
    from aix_lsp.logs import printable
    from aix_lsp.settings import for_language, project_layer, resolve, user_layer
    from aix_lsp.settings.names import options

    settings, problems = resolve([user_layer(), project_layer(folder)])
    settings = for_language(settings, language)
    for name, option in options().items():
        value = getattr(settings, option.name)
        shown = "(set)" if option.secret and value else json.dumps(value, ensure_ascii=False)
        click.echo(printable(f"{name} = {shown}"))
    for problem in problems:
        click.echo(f"! {problem}", err=True)
    if problems:
        raise click.exceptions.Exit(1)


def _described(form: str, folder: Path) -> str:
    from aix_lsp.settings import schema
    from aix_lsp.settings.files import PROJECT_FILE, user_file

    if form == "where":
        return f"{user_file()}\n{(folder / PROJECT_FILE).absolute()}"
    if form == "markdown":
        return schema.markdown().rstrip("\n")
    if form == "trust":
        return schema.trust_tables().rstrip("\n")
    found = schema.json_schema() if form == "schema" else schema.vscode_properties()
    return json.dumps(found, indent=2, ensure_ascii=False)
