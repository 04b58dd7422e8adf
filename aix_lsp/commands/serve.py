"""`aix-lsp serve`: the engine for a team, and the commands that manage its users and export their usage."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from aix_lsp.cli import resolve_model
from aix_lsp.settings.flags import engine_flags
from aix_lsp.settings.names import engine_options
from aix_lsp.settings.table import EngineOptions

if TYPE_CHECKING:
    from aix_lsp.serve.worker import ServeOptions

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(dir_okay=False, path_type=Path)


def _folder() -> Path:
    from aix_lsp.paths import config_dir

    return config_dir() / "serve"


def _users_file(path: Path | None) -> Path:
    return (path or _folder() / "users.json").absolute()


def _usage_file(path: Path | None) -> Path:
    from aix_lsp.paths import state_dir

    return (path or state_dir() / "usage.sqlite").absolute()


def _refuse(error: Exception) -> NoReturn:
    raise click.ClickException(str(error)) from error


users_option = click.option(
    "--users", type=_FILE, help="The users file (default: serve/users.json in the config folder)."
)
usage_option = click.option(
    "--usage", type=_FILE, help="The usage database (default: usage.sqlite in the state folder)."
)


_SERVER_FLAGS = (
    users_option,
    usage_option,
    click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address."),
    click.option(
        "--port",
        default=8080,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="Listen on this port; 0 picks a free one.",
    ),
    click.option(
        "--tls-certificate",
        type=_FILE,
        help="PEM file with the certificate and its chain; with --tls-key.",
    ),
    click.option("--tls-key", type=_FILE, help="PEM file with the certificate's key."),
    click.option(
        "--admin-token-file",
        type=_FILE,
        help="File with the administrator's token, for /metrics, / and /admin.",
    ),
    click.option(
        "--drain-s",
        default=30.0,
        show_default=True,
        type=click.FloatRange(0),
        help="How long running streams may take to finish on SIGTERM (s).",
    ),
    click.option(
        "--step-limit-s",
        default=30.0,
        show_default=True,
        type=click.FloatRange(0),
        help="Abort a model step that takes longer than this (s). 0 disables it.",
    ),
    click.option("--log-file", type=_FILE, help="Log to this file instead of standard error."),
    click.option("-v", "--verbose", is_flag=True, help="Log everything."),
)


def server_flags(command: Command) -> Command:
    """Declare the options that every team server has in addition to the engine's; a decorator for a click command."""
    for option in reversed(_SERVER_FLAGS):
        command = option(command)
    return command


@click.group("serve", invoke_without_command=True)
@engine_flags
@server_flags
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Serve one model to a team: users with tokens, quotas, usage, and restarts that lose no request.

    \b
    aix-lsp serve add-user ann
    aix-lsp serve --host 0.0.0.0 --tls-certificate cert.pem --tls-key key.pem --admin-token-file admin

    SIGHUP starts a new worker and hands over to it; SIGTERM lets running streams finish (docs/team-server.md).
    """
    context.obj = options["users"]
    if context.invoked_subcommand is None:
        sys.exit(_serve(options))


def _serve(options: dict[str, Any]) -> int:
    if sys.platform == "win32":
        raise click.ClickException(
            "aix-lsp serve runs on Linux and macOS only; use `aix-lsp engine --host` to share a model"
        )
    from aix_lsp.serve.supervisor import run

    engine = chosen_engine(options)
    return run(chosen_server(options), engine)


def chosen_engine(options: dict[str, Any]) -> EngineOptions:
    """The engine's options, which are removed from the command's `options`."""
    engine: dict[str, Any] = {}
    for option in engine_options():
        value = options.pop(option.name)
        engine[option.name] = resolve_model(value) if option.folder else value
    return EngineOptions(**engine)


def chosen_server(options: dict[str, Any]) -> ServeOptions:
    """The options declared by `server_flags`; also configures the log that they ask for."""
    from aix_lsp import logs
    from aix_lsp.serve.worker import ServeOptions

    log_file = options["log_file"]
    logs.configure("debug" if options["verbose"] else "info", log_file)
    if log_file is not None:
        logs.add_errors_on_stderr()
    options["users"], options["usage"] = _users_file(options["users"]), _usage_file(options["usage"])
    # A worker runs in another folder, so paths must be absolute.
    given: dict[str, Any] = {
        name: str(value.absolute()) if isinstance(value, Path) else value
        for name, value in options.items()
        if value is not None
    }
    return ServeOptions(**given)


@command.command("add-user")
@click.argument("name")
@users_option
@click.option(
    "--class",
    "user_class",
    default="default",
    show_default=True,
    help="The class whose quotas apply to the user.",
)
@click.option("--renew", is_flag=True, help="Give an existing user a new token.")
@click.pass_obj
def add_user(inherited: Path | None, name: str, users: Path | None, user_class: str, renew: bool) -> None:
    """Add a user and print their token, once."""
    from aix_lsp.serve.users import UsersError, add

    try:
        click.echo(add(_users_file(users or inherited), name, user_class, renew))
    except UsersError as error:
        _refuse(error)


@command.command()
@click.argument("name")
@users_option
@click.pass_obj
def revoke(inherited: Path | None, name: str, users: Path | None) -> None:
    """Remove a user; a running server refuses them within two seconds."""
    from aix_lsp.serve.users import UsersError
    from aix_lsp.serve.users import revoke as remove

    try:
        remove(_users_file(users or inherited), name)
    except UsersError as error:
        _refuse(error)
    click.echo(f"Removed {name}.")


@command.command("list")
@users_option
@click.pass_obj
def list_users(inherited: Path | None, users: Path | None) -> None:
    """List the users, their classes and quotas."""
    from aix_lsp.serve.users import UserDirectory, UsersError

    try:
        directory = UserDirectory(_users_file(users or inherited))
    except UsersError as error:
        _refuse(error)
    click.echo(f"{'user':24} {'class':12} {'in flight':>9} {'tokens/min':>10}  since")
    for name, user in sorted(directory.users.users.items()):
        who = directory.identity(name, user)
        limits = (str(limit or "any") for limit in (who.in_flight, who.tokens_a_minute))
        click.echo("{:24} {:12} {:>9} {:>10}  {}".format(name, user.user_class, *limits, user.created))


@command.command()
@usage_option
@click.option("--since", default="", metavar="DAY", help="Start at this day, such as 2026-11-29.")
@click.option("--user", default="", help="Only this user.")
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
def usage(usage: Path | None, since: str, user: str, form: Any) -> None:
    """Export what each user has used, by day (UTC)."""
    from aix_lsp.serve.usage import UsageError, export, rows

    try:
        click.echo(export(rows(_usage_file(usage), since, user), form), nl=False)
    except UsageError as error:
        _refuse(error)
