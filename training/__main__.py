"""`python -m training` makes the embedded model, stage by stage, resuming where it stopped."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import click

from aix_lsp import paths
from training import recipe

log = logging.getLogger("training")


def _default_work() -> Path:
    return paths.cache_dir() / "training"


@click.group(invoke_without_command=True)
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), help="Where everything is kept.")
@click.pass_context
def main(context: click.Context, work: Path | None) -> None:
    """Make the embedded model. Without a command: all stages, from packages to the evaluation."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    context.obj = (work or _default_work()).absolute()
    context.obj.mkdir(parents=True, exist_ok=True)
    if context.invoked_subcommand is None:
        for stage in (collect, tokenizer, train, export, evaluate):
            context.invoke(stage)


@main.command()
@click.pass_obj
def collect(work: Path) -> None:
    """Fetch the packages of sources.toml and gather their documents."""
    from training import collect as stage
    from training import fetch

    if (work / "train.jsonl").exists():
        return
    fetch.prepare_apt(work)
    stage.collect(work, fetch.fetch(work))


@main.command()
@click.pass_obj
def tokenizer(work: Path) -> None:
    """Train the tokenizer on a sample of the documents."""
    if not (work / "tokenizer" / "tokenizer.json").exists():
        recipe.make_tokenizer(work)


@main.command()
@click.option(
    "--model",
    type=click.Path(exists=True, path_type=Path, file_okay=False),
    required=True,
    help="A folder that transformers loads: SmolLM2-135M.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="A folder; by default `start` in the work folder."
)
@click.pass_obj
def prepare(work: Path, model: Path, out: Path | None) -> None:
    """Prepare a pretrained model for `train --start`: a vocabulary for code, our special tokens."""
    recipe.prepare_pretrained(work, model, out or work / "start")


def _run(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that tell runs apart."""
    start = click.option(
        "--start",
        type=click.Path(exists=True, path_type=Path, file_okay=False),
        help="Start from this model's weights and tokenizer; such a run is shorter, and kept apart from new ones.",
    )
    seed = click.option(
        "--seed",
        default=0,
        help="Orders the documents; use another seed for a run that starts from the result of one with this order.",
    )
    return start(seed(command))


@main.command()
@click.option("--workers", type=int, default=0, help="Processes; 0: one per core, or one for a GPU.")
@click.option("--tokens", type=click.IntRange(1), help="Tokens to see in all, instead of the recipe's.")
@click.option("--go-on", is_flag=True, help="Continue from where `finish` was requested, as if it were not.")
@click.option("--pid-file", type=click.Path(path_type=Path), help="Stopping this process pauses the run.")
@_run
@click.pass_obj
def train(
    work: Path,
    workers: int,
    tokens: int | None,
    go_on: bool,
    pid_file: Path | None,
    start: Path | None,
    seed: int,
) -> None:
    """Start or resume training, until the recipe's tokens are seen or the time set with `finish` has come."""
    from filelock import Timeout

    from aix_lsp.training.checkpoint import Checkpoint

    for file in (pid_file, work / "train.pid"):
        if file is not None:
            file.write_text(f"{os.getpid()}\n")
    run = recipe.Run(work, start, seed)
    if go_on and not Checkpoint(run.folder).go_on():
        raise click.ClickException(f"the run in {run.folder} was not asked to finish.")
    try:
        run.train(workers, tokens)
    except Timeout:
        raise click.ClickException(f"the run in {work} goes on in another process already.") from None


@main.command()
@click.option("--in", "minutes", type=click.FloatRange(0), required=True, help="Minutes from now.")
@_run
@click.pass_obj
def finish(work: Path, minutes: float, start: Path | None, seed: int) -> None:
    """Have a run's learning rates fall from now on, so that it is finished in the given time."""
    from aix_lsp.training.checkpoint import Checkpoint

    Checkpoint(recipe.Run(work, start, seed).folder).ask_to_finish(time.time() + 60 * minutes)


@main.command()
@click.option(
    "--out", type=click.Path(path_type=Path), help="A folder; by default `model` in the work folder."
)
@_run
@click.pass_obj
def export(work: Path, out: Path | None, start: Path | None, seed: int) -> None:
    """Write the averaged weights of the last checkpoint as a folder that transformers loads."""
    from aix_lsp.training.export import export_checkpoint

    run = recipe.Run(work, start, seed)
    export_checkpoint(run.folder, run.tokenizer, out or work / "model")


@main.command()
@click.option(
    "--model", "models", multiple=True, metavar="NAME=FOLDER", help="Another model to compare with."
)
@click.option("--quick", is_flag=True, help="A quarter of the samples.")
@click.option("--ngram/--no-ngram", default=True, help="Compare with an n-gram model of the same data.")
@click.pass_obj
def evaluate(work: Path, models: tuple[str, ...], quick: bool, ngram: bool) -> None:
    """Compare the exported model with others on the held-out packages, and print the table."""
    import torch

    from aix_lsp.training.evaluation.scores import SampleCounts
    from training.evaluate import compare

    torch.set_num_threads(1)  # one token at a time: a second thread would only wait
    folders = {"new": work / "model"} | {name: Path(path) for name, path in (m.split("=", 1) for m in models)}
    counts = (
        SampleCounts(lines=80, other_lines=40, blocks=20, replays=6, pieces=20) if quick else SampleCounts()
    )
    click.echo(compare(work, folders, counts, ngram))


@main.command()
@click.option("--model", type=click.Path(exists=True, path_type=Path, file_okay=False), required=True)
@click.pass_obj
def shares(work: Path, model: Path) -> None:
    """Fit recall's shares to a model, on half of the cursors in held-out packages, and score them on the rest."""
    import torch

    from training.evaluate import fit_shares

    torch.set_num_threads(1)
    click.echo(fit_shares(work, model))


if __name__ == "__main__":
    main()
