"""`aix-lsp stats`: how many suggestions were accepted on this machine, and how fast they came."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from aix_lsp import statistics


@click.command("stats")
@click.option("--days", type=click.IntRange(1), help="Only the last N days.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts by day as JSON.")
@click.option("--clear", is_flag=True, help="Delete all counts.")
def command(days: int | None, as_json: bool, clear: bool) -> None:
    """Show acceptance, latency and what reuse has saved. These counts never leave this machine."""
    if clear:
        statistics.clear()
        click.echo(f"Cleared {statistics.file()}.")
    elif as_json:
        click.echo(json.dumps(statistics.read()))
    else:
        _show(statistics.total(days), days)


def _show(counts: Mapping[str, float], days: int | None) -> None:
    if not counts:
        click.echo("Nothing has been counted yet.")
        return
    click.echo("All time" if days is None else "Today" if days == 1 else f"The last {days} days")
    for name, meaning in statistics.COUNTS.items():
        if counts.get(name):
            click.echo(f"  {counts[name]:>12,.0f}  {meaning}")
    taken = counts.get("accepted", 0) + counts.get("partly", 0)
    _share("of the shown suggestions were accepted, whole or in part", taken, counts.get("shown", 0))
    _share(
        "of the shown characters were kept",
        counts.get("kept_characters", 0),
        counts.get("shown_characters", 0),
    )
    _share("of the requests needed no model", counts.get("reused", 0), counts.get("requests", 0))
    _share(
        "of the prompts' tokens were in the cache",
        counts.get("cached_tokens", 0),
        counts.get("prompt_tokens", 0),
    )
    for share, name in ((0.5, "half"), (0.95, "95 %")):
        bound = statistics.quantile(counts, share)
        if bound is not None:
            limit = (
                f"within {bound:g} ms" if bound < float("inf") else f"later than {statistics.EDGES_MS[-1]} ms"
            )
            click.echo(f"  {name:>12}  of the first text came {limit}")
    for language, own in statistics.by_language(counts).items():
        click.echo(f"  {language:>12}  {_in_short(own)}")


def _in_short(counts: Mapping[str, float]) -> str:
    """One language's counts on one line."""
    shown, taken = counts.get("shown", 0), counts.get("accepted", 0) + counts.get("partly", 0)
    said = [f"{counts.get('requests', 0):,.0f} requests", f"{shown:,.0f} shown"]
    if shown:
        said.append(f"{taken / shown:.1%} of these accepted")
    return ", ".join([*said, f"{counts.get('kept_characters', 0):,.0f} characters kept"])


def _share(meaning: str, part: float, whole: float) -> None:
    if whole:
        click.echo(f"  {part / whole:>12.1%}  {meaning}")
