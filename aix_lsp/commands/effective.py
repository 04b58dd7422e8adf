"""The settings that a subcommand works with: the user's file, the project's file, and flags."""

from __future__ import annotations

from pathlib import Path

import click

from aix_lsp.cli import parse_assignments
from aix_lsp.settings import Layer, Settings, project_layer, resolve, user_layer


def effective(folder: Path, assignments: tuple[str, ...] = (), model: str | None = None) -> Settings:
    """The settings in effect in `folder`; problems in the files are reported on standard error."""
    flags = parse_assignments(assignments)
    if model is not None:
        flags["model"] = model
    settings, problems = resolve(
        [user_layer(), project_layer(folder), Layer("the command line", flags, base=Path.cwd())]
    )
    for problem in problems:
        click.echo(f"! {problem}", err=True)
    return settings
