"""`aix-lsp why`: whether a file's text may be sent to a model, and which rule decides."""

from __future__ import annotations

import json
from pathlib import Path

import click

from aix_lsp.files import read_text
from aix_lsp.logs import printable
from aix_lsp.settings.files import LARGEST, parse_toml


@click.command("why")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The workspace folder; by default, the repository that contains FILE.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(file: Path, root: Path | None, as_json: bool) -> None:
    """Say whether the text of FILE may be sent to a model, and which rule decides, with its file and line.

    The exit status is 0 if it may be sent and 1 if not.
    """
    from aix_lsp.cli import effective
    from aix_lsp.privacy.policy import Privacy

    path = file.absolute()
    root = root.absolute() if root is not None else _repository(path)
    settings = effective(root or path.parent)
    refusal = Privacy(lambda: [root] if root is not None else []).refusal(path.as_uri(), settings)
    if refusal is None:
        found = {"sent": True, "reason": "no rule excludes it"}
    else:
        place, line = _place(refusal.kind, refusal.rule, refusal.file, refusal.line, root or path.parent)
        found = {
            "sent": False,
            "reason": refusal.reason,
            "kind": refusal.kind,
            "rule": refusal.rule,
            "file": place,
            "line": line,
        }
    click.echo(json.dumps(found) if as_json else _text(file, found))
    if refusal is not None:
        raise click.exceptions.Exit(1)


def _text(file: Path, found: dict[str, object]) -> str:
    if found["sent"]:
        return f"{file} may be sent: {found['reason']}."
    lines = [f"{file} is never sent: {found['reason']}."]
    if found["rule"]:
        lines.append(f"rule: {found['rule']}")
    if found["file"]:
        lines.append(f"at:   {found['file']}" + (f":{found['line']}" if found["line"] else ""))
    return "\n".join(map(printable, lines))


def _repository(path: Path) -> Path | None:
    return next((folder for folder in path.parents if (folder / ".git").exists()), None)


def _place(kind: str, rule: str, file: Path | None, line: int, folder: Path) -> tuple[str, int]:
    """Where a rule is defined: an ignore file, a settings file, or the table of names."""
    if file is not None:
        return str(file), line
    if kind == "name":
        from aix_lsp.privacy import names

        table = Path(names.__file__)
        return str(table), _line_with(table, f" {rule} ", padded=True)
    if kind == "setting":
        from aix_lsp.settings.files import PROJECT_FILE, user_file

        for settings_file in (folder / PROJECT_FILE, user_file()):
            if rule in _excluded(settings_file):
                return str(settings_file), _line_with(settings_file, json.dumps(rule, ensure_ascii=False))
    return "", 0


def _excluded(file: Path) -> list[object]:
    try:
        values = parse_toml(read_text(file, LARGEST))
    except (OSError, ValueError):
        return []
    inner = values.get("aix")
    patterns = (inner if isinstance(inner, dict) else values).get("exclude")
    return patterns if isinstance(patterns, list) else []


def _line_with(file: Path, text: str, padded: bool = False) -> int:
    """The 1-based number of a file's first line that contains a text; 0 if none does."""
    lines = read_text(file, LARGEST).splitlines()
    around = " " if padded else ""
    shown = (f"{around}{line}{around}".replace("'", '"') for line in lines)
    return next((number for number, line in enumerate(shown, 1) if text in line), 0)
