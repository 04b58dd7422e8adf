"""The command line: `aix-lsp` serves an editor; its subcommands are loaded when they are called."""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from aix_lsp import __version__

if TYPE_CHECKING:
    from aix_lsp.settings import Problem, Settings

_SUBCOMMANDS = {
    "engine": "Run the process that holds the model.",
    "serve": "Serve a model to a team: users, quotas, usage.",
    "cluster": "Serve a model to a team with several replicas, on Ray.",
    "dashboard": "Show the engine's metrics in a browser.",
    "complete": "Print the completion at a position in a file.",
    "doctor": "Check this installation and explain how to fix problems.",
    "init": "Print the configuration for an editor.",
    "models": "List model families and models on this machine.",
    "settings": "Show the settings in effect, or describe all of them.",
    "stats": "Show how many suggestions were accepted, and how fast they were.",
    "why": "Show whether a file may be sent to a model, and which rule decides.",
    "train": "Fine-tune a small model on your own code.",
}


class _LazyGroup(click.Group):
    """A group that imports a command only when it runs, so that the server starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _SUBCOMMANDS:
            return None
        command: click.Command = importlib.import_module(f"aix_lsp.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_SUBCOMMANDS.items()))


def parse_assignments(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Parse `name=value` pairs as settings. Raises click.BadParameter, which says what is wrong."""
    if not pairs:
        return {}
    from aix_lsp.settings.validate import Misfit, parse, unknown

    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        try:
            if not equals:
                raise click.BadParameter(f"{pair!r} is not of the form name=value.")
            values[name] = parse(name, text)
        except KeyError:
            raise click.BadParameter(f"{name}: {unknown(name)}") from None
        except Misfit as misfit:
            raise click.BadParameter(f"{name} must be {misfit}, not {text!r}.") from None
    return values


def resolved(
    folder: Path, assignments: tuple[str, ...] = (), model: str | None = None
) -> tuple[Settings, list[Problem]]:
    """A subcommand's settings, and their problems: from the user's file, the project's in `folder`, and flags."""
    from aix_lsp.settings import Layer, project_layer, resolve, user_layer

    flags = parse_assignments(assignments) | ({} if model is None else {"model": model})
    return resolve([user_layer(), project_layer(folder), Layer("the command line", flags, base=Path.cwd())])


def effective(folder: Path, assignments: tuple[str, ...] = (), model: str | None = None) -> Settings:
    """See `resolved`; problems are reported on standard error."""
    settings, problems = resolved(folder, assignments, model)
    for problem in problems:
        click.echo(f"! {problem}", err=True)
    return settings


def resolve_model(model: str) -> str:
    """A model as given on the command line, on which a folder may be relative to the current one."""
    from aix_lsp.paths import folder_named

    try:
        folder = folder_named(model, Path.cwd())
    except ValueError as error:
        raise click.BadParameter(f"model must be {error}, not {model!r}.") from None
    return model if folder is None else str(folder)


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Without a command, aix-lsp is a language server for an editor.",
)
@click.version_option(__version__, prog_name="aix-lsp", message="%(prog)s %(version)s")
@click.option("--stdio", is_flag=True, help="Serve on standard input and output (the default).")
@click.option("--tcp", is_flag=True, help="Serve TCP clients, each in its own session.")
@click.option("--ws", is_flag=True, help="Serve WebSocket clients.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address for --tcp and --ws.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port for --tcp and --ws; 0 picks a free one."
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the token that --tcp and --ws clients must present (or AIX_LSP_TOKEN); without one, a token "
    "is generated and printed with the address.",
)
@click.option("--no-token", is_flag=True, help="Let any process on this machine use --tcp and --ws.")
@click.option(
    "--origin", "origins", multiple=True, help="Origin of a web page that may use --ws; repeatable."
)
@click.option("--parent-pid", "--clientProcessId", type=int, help="Exit when this process ends.")
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Log to this file instead of standard error.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log everything.")
@click.option("--model", help='A folder, a Hugging Face id, or "embedded".')
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any setting; repeatable.")
@click.pass_context
def cli(context: click.Context, /, **options: Any) -> None:
    """Code completion from a local model, for any editor that speaks the Language Server Protocol."""
    if context.invoked_subcommand is None:
        _serve(options)


def _serve(options: dict[str, Any]) -> None:
    if options["tcp"] + options["ws"] + options["stdio"] > 1:
        raise click.UsageError("--stdio, --tcp and --ws are mutually exclusive.")
    if options["no_token"] and options["token_file"] is not None:
        raise click.UsageError("--no-token and --token-file are mutually exclusive.")
    values = parse_assignments(options["assignments"])
    if options["model"] is not None:
        values["model"] = options["model"]
    if "model" in values:
        values["model"] = resolve_model(values["model"])
    if options["verbose"]:
        values["logLevel"] = "debug"

    gc.disable()  # imported objects stay; traversing them again and again takes a tenth of the start
    from aix_lsp import logs
    from aix_lsp.lsp.main import run
    from aix_lsp.lsp.options import LspOptions, is_loopback

    gc.enable()
    logs.configure(values.get("logLevel", "info"), options["log_file"])
    token = "" if options["no_token"] else _token(options["token_file"])
    made = "" if token or options["no_token"] or not is_loopback(options["host"]) else _new_token()
    serve = LspOptions(
        transport="tcp" if options["tcp"] else "ws" if options["ws"] else "stdio",
        host=options["host"],
        port=options["port"],
        token=token or made,
        announce_token=bool(made),
        origins=options["origins"],
        parent_pid=options["parent_pid"],
        settings=values,
    )
    _leave_folder()
    sys.exit(run(serve))


def _leave_folder() -> None:
    """Change to a private folder: the one in which an editor starts us is untrusted."""
    from aix_lsp.paths import runtime_dir

    with suppress(OSError):
        os.chdir(runtime_dir())


def _token(file: Path | None) -> str:
    if file is not None:
        from aix_lsp import files

        try:
            token = files.read_text(file, 4096).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise click.BadParameter(f"{file}: {error}") from None
        if not token:
            raise click.BadParameter(f"{file} contains no token.")
        return token
    return os.environ.get("AIX_LSP_TOKEN", "")


def _new_token() -> str:
    import secrets

    return secrets.token_urlsafe(24)


def main() -> NoReturn:
    """The entry point. An interrupt, a closed pipe or a character that the terminal lacks causes no traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(cli.main(prog_name="aix-lsp", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except BrokenPipeError:
        # The reader is gone; without this, Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
