"""`aix-lsp models`: the catalogue, the models on this machine and whether they fit it; `get` downloads one."""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

import click

from aix_lsp.fim.templates import FAMILIES
from aix_lsp.logs import printable
from aix_lsp.models.catalogue import Entry, Form, downloaded, entries, find
from aix_lsp.models.listing import Catalogued, catalogued, choices, on_this_computer


@click.group("models", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--choices", "as_choices", is_flag=True, help="Print the choices of an editor's model picker as JSON."
)
@click.pass_context
def command(context: click.Context, as_json: bool, as_choices: bool) -> None:
    """List the models of the catalogue, how well they fit this machine, and the models that are on it.

    The setting "model" takes any of them, a folder that transformers can load, or the path of a GGUF file. `aix-lsp
    models get NAME` downloads a model from the catalogue.
    """
    if context.invoked_subcommand is not None:
        return
    if as_choices:
        click.echo(json.dumps(choices()))
        return
    models, known = list(on_this_computer()), catalogued()
    if as_json:
        families = [{"name": t.name, "order": t.order, "context": t.takes_context} for t in FAMILIES]
        found = [one.as_json() for one in known]
        click.echo(json.dumps({"families": families, "models": models, "catalogue": found}))
        return
    _list(models, known)


def _list(models: list[dict[str, object]], known: list[Catalogued]) -> None:
    click.echo("Models to download, with `aix-lsp models get NAME`:")
    for one in known:
        click.echo(f"  {one.entry.name:<24} {one.about()}")
    if all(one.fit.key_ms is None for one in known):
        click.echo(
            "  (their speed can be estimated once a model has been loaded here; `aix-lsp doctor` loads one)"
        )
    click.echo("\nModels on this machine:")
    for model in models:
        name = model.get("name", model["id"])
        click.echo(printable(f"  {name:<44} {_about(model)}"))
        if name != model["id"]:
            click.echo(printable(f"    {model['id']}"))
    click.echo("\nFamilies, for the setting fimFamily if the family is not detected:")
    for template in FAMILIES:
        order = "suffix first" if template.order == "spm" else "prefix first"
        context = ", takes other files" if template.takes_context else ""
        click.echo(f"  {template.name:<12} {order}{context}")


def _about(model: dict[str, object]) -> str:
    """One line about a model: its family, its size and whose store it is in, or why it cannot be used."""
    family = str(model["family"] or "no fill-in-the-middle")
    if "store" not in model:
        return family
    if "trouble" in model:
        family = f"cannot be used: {model['trouble']}"
    elif isinstance(size := model["bytes"], int):
        weights = model.get("parameters")
        count = f"{weights / 1e9:.1f} G weights in " if isinstance(weights, int) else ""
        family += f", {count}{size / 1e9:.1f} GB"
    return f"{family} ({model['store']})"


@command.command("get")
@click.argument("name")
@click.option("--form", type=click.Choice(["gguf", "safetensors"]), help="Default: the smaller one.")
@click.option("--yes", is_flag=True, help="Agree to the licence without being asked; for scripts.")
@click.option("--json", "as_json", is_flag=True, help="Report progress and the outcome as JSON lines.")
def get(name: str, form: Form | None, yes: bool, as_json: bool) -> None:
    """Download a model from the catalogue, after showing its licence and asking for consent.

    An interrupted download resumes where it stopped. HF_HOME sets where models are stored, HF_ENDPOINT a mirror, and
    HTTPS_PROXY a proxy. HF_TOKEN (or `hf auth login`) is for models that require an account.
    """
    entry = find(name)
    if entry is None:
        known = ", ".join(one.name for one in entries())
        raise click.ClickException(f"the catalogue has no {name}; it has {known}")
    place = downloaded(entry) if form is None else None
    if place is None:
        place = _download(entry, form, yes, as_json)
    if as_json:
        click.echo(json.dumps({"model": entry.name, "place": str(place)}))
        return
    click.echo(f"{entry.name} is in {place}")
    click.echo(f'To use it, set model = "{entry.name}", or choose it with your editor\'s command for models.')


def _download(entry: Entry, form: Form | None, yes: bool, as_json: bool) -> Any:
    try:
        source = entry.source(form)
    except KeyError:
        raise click.ClickException(f"{entry.name} has no {form} that runs here; omit --form") from None
    _agree(entry, yes, as_json)
    from aix_lsp.models import download
    from aix_lsp.models.failures import DownloadError

    try:
        wanted = download.look_up(source)
        if not as_json:
            here = wanted.size - wanted.missing
            more = f", of which {here / 1e9:.2f} GB are already here" if here else ""
            click.echo(
                f"{source.repository}: {len(wanted.files)} files, {wanted.size / 1e9:.2f} GB{more}", err=True
            )
        return download.fetch(wanted, _ProgressReport(as_json))
    except DownloadError as error:
        _fail(str(error), as_json)


def _agree(entry: Entry, yes: bool, as_json: bool) -> None:
    """Show the licence and ask for agreement; `--yes` gives it where nobody can be asked."""
    licence = entry.licence
    if not as_json:
        click.echo(f"{entry.name} is under the {licence.name}, for {licence.terms}: {licence.url}", err=True)
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        _fail(
            f"{entry.name} is under the {licence.name} ({licence.url}): pass --yes if you agree to it",
            as_json,
        )
    click.confirm(
        f"Download about {entry.source().gb:g} GB, and agree to this licence?", abort=True, err=True
    )


def _fail(message: str, as_json: bool) -> NoReturn:
    if as_json:
        click.echo(json.dumps({"error": message}))
        raise click.exceptions.Exit(1)
    raise click.ClickException(message)


class _ProgressReport:
    """Reports a download's progress, rarely enough to be readable: at every 256th part."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._last = -1

    def __call__(self, done: int, total: int) -> None:
        part = done * 256 // max(1, total)
        if part == self._last:
            return
        self._last = part
        if self._as_json:
            click.echo(json.dumps({"done": done, "total": total}))
            sys.stdout.flush()
        elif sys.stderr.isatty():
            end = "\n" if done == total else ""
            click.echo(
                f"\r{done / 1e9:7.2f} of {total / 1e9:.2f} GB ({done / max(1, total):.0%})",
                err=True,
                nl=False,
            )
            click.echo(end, err=True, nl=False)
