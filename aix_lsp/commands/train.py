"""`aix-lsp train`: fine-tunes the embedded model, or another small one, on a folder's code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aix_lsp import logs

if TYPE_CHECKING:
    from aix_lsp.training.adapt import Adaptation


_LONG = 60.0  # minutes


@click.command("train")
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The folder with the code to train on.",
)
@click.option(
    "--model",
    default="embedded",
    show_default=True,
    help='Folder or file of a Llama model, or "embedded".',
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("aix-model"),
    show_default=True,
    help="Where to write the new model.",
)
@click.option(
    "--passes",
    type=click.FloatRange(0, min_open=True),
    default=2.0,
    show_default=True,
    help="How often to train on the whole text.",
)
@click.option(
    "--low-rank",
    is_flag=True,
    help="Train low-rank changes of the upper half of the layers: faster, but learns less.",
)
def command(source: Path, model: str, out: Path, passes: float, low_rank: bool) -> None:
    """Fine-tune a small model on your own code, and compare it before and after.

    If interrupted, the same command continues where it stopped.
    """
    logs.configure("warning")
    from aix_lsp.cli import effective
    from aix_lsp.engine.model.source import embedded
    from aix_lsp.training.adapt import Adaptation, CannotTrain, languages

    base = embedded() if model == "embedded" else Path(model)
    try:
        source = source.absolute()
        adaptation = Adaptation(source, base, out.absolute(), passes, low_rank, effective(source))
    except CannotTrain as error:
        raise click.ClickException(str(error)) from error
    found = ", ".join(f"{count} {name}" for name, count in languages(adaptation.material.train).items())
    click.echo(f"{adaptation.material.size:,} bytes to train on ({found} files); ", nl=False)
    click.echo(f"{len(adaptation.material.held_out)} files are held out for evaluation.")
    if adaptation.resumes:
        click.echo(f"Continuing the interrupted training; remove {adaptation.state} to start over.")
    minutes = adaptation.minutes(low_rank)
    click.echo(
        f"{adaptation.recipe.tokens:,} tokens to train on, in {passes:g} passes over the text: ", nl=False
    )
    click.echo(f"about {_duration(minutes)} on an otherwise idle computer.")
    if minutes > _LONG and not low_rank:
        click.echo(
            f"With --low-rank: about {_duration(adaptation.minutes(True))}. Fewer --passes also take less time."
        )
    before = adaptation.evaluate(adaptation.base)
    _run(adaptation)
    _print_figures(before, adaptation.evaluate(out))
    click.echo(f"Use it with: aix-lsp --model {out.absolute()}  (or set `model`)")


def _duration(minutes: float) -> str:
    if minutes < 90:
        return f"{max(1, round(minutes))} min"
    return f"{minutes / 60:.1f} hours"


def _run(adaptation: Adaptation) -> None:
    bar = _Bar(adaptation.recipe.tokens)
    try:
        adaptation.run(bar)
    except KeyboardInterrupt:
        said = "stopped; run the same command again to continue from the last checkpoint."
        raise click.ClickException(said) from None
    except OSError as error:
        raise click.ClickException(
            f"{error}. The last checkpoint is kept; the same command continues from it."
        ) from error
    finally:
        bar.close()


class _Bar:
    """A progress bar with the remaining time. It is created at the first step, so that the object can be pickled."""

    def __init__(self, total: int) -> None:
        self._total, self._seen = total, 0
        self._bar: Any = None

    def __call__(self, tokens: int, loss: float) -> None:
        if self._bar is None:
            self._bar = click.progressbar(
                length=self._total, label="training", item_show_func=lambda item: item
            )
            self._bar.__enter__()
        self._bar.update(tokens - self._seen, f"loss {loss:.2f}")
        self._seen = tokens

    def close(self) -> None:
        """End the bar's line."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)


def _print_figures(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Print the figures that matter to a user, before and after."""
    from aix_lsp.training.evaluation.scores import GROUPS

    wanted = ("bits per byte", "line exact", "keystrokes saved", "block exact")
    for group in (name for name in GROUPS if name in after):
        click.echo(f"\n{group}, on the held-out files:")
        for name in wanted:
            old, new = before[group][name], after[group][name]
            shown = (f"{old:.3f}", f"{new:.3f}") if name == "bits per byte" else (f"{old:.1%}", f"{new:.1%}")
            click.echo(f"  {name:<18} {shown[0]:>7} → {shown[1]:>7}")
