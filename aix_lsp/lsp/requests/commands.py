"""`workspace/executeCommand`: what users can tell the server to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from aix_lsp.lsp.messages import INVALID_PARAMS
from aix_lsp.lsp.requests.candidates import stepping
from aix_lsp.lsp.requests.feedback import note
from aix_lsp.lsp.session import Session


def execute_command(session: Session, params: types.ExecuteCommandParams) -> Any:
    command = COMMANDS.get(params.command)
    if command is None:
        known = ", ".join(COMMANDS)
        raise JsonRpcException(f"no command {params.command!r}; there are {known}", INVALID_PARAMS)
    return command(session, list(params.arguments or []))


def _accept(session: Session, arguments: list[Any]) -> None:
    """`[id, length?]`: the suggestion was inserted; editors run this as the item's own command."""
    id, length = [*arguments, None, None][:2]
    note(session, "accepted", id, length)


def _clear_caches(session: Session, arguments: list[Any]) -> None:
    for scope in session.scopes:
        scope.service.clear()


def _statistics(session: Session, arguments: list[Any]) -> dict[str, Any]:
    """The session's figures; where folders have services of their own, theirs are listed under "others"."""
    figures = [scope.service.statistics() for scope in session.scopes]
    if not figures:
        return {}
    return figures[0] | ({"others": figures[1:]} if len(figures) > 1 else {})


def _enabling(enabled: bool) -> Callable[[Session, list[Any]], Any]:
    def switch(session: Session, arguments: list[Any]) -> Any:
        """`[]` is everything; a language, or `{language, workspace}` with a folder's URI, is less."""
        target = arguments[0] if arguments else {}
        if isinstance(target, str):
            target = {"language": target}
        if not isinstance(target, Mapping):
            raise JsonRpcException("expected a language, or {language, workspace}", INVALID_PARAMS)
        language, workspace = (_text(target.get(name, "")) for name in ("language", "workspace"))
        session.configuration.choose("enabled", enabled, language=language, folder=workspace)
        return session.reconfigure(ask=False)

    return switch


def _restart_engine(session: Session, arguments: list[Any]) -> Any:
    return session.restart_engine()


def _switch_model(session: Session, arguments: list[Any]) -> Any:
    """`[model]`: a folder, a Hugging Face id, or "embedded"; until the session ends."""
    session.configuration.choose("model", _text(arguments[0] if arguments else None))
    return session.reconfigure(ask=False)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise JsonRpcException(f"expected a string, not {type(value).__name__}", INVALID_PARAMS)
    return value


COMMANDS: dict[str, Callable[[Session, list[Any]], Any]] = {
    "aix.accept": _accept,
    "aix.nextCandidate": stepping(1),
    "aix.previousCandidate": stepping(-1),
    "aix.clearCaches": _clear_caches,
    "aix.statistics": _statistics,
    "aix.enable": _enabling(True),
    "aix.disable": _enabling(False),
    "aix.restartEngine": _restart_engine,
    "aix.switchModel": _switch_model,
}
