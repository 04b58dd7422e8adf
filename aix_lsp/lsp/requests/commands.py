"""`workspace/executeCommand`: the commands of the server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from aix_lsp.completion.request import CompletionRequest, Suggestion
from aix_lsp.lsp.documents import RequestDocument
from aix_lsp.lsp.jsonrpc import INVALID_PARAMS, INVALID_REQUEST
from aix_lsp.lsp.requests import models
from aix_lsp.lsp.requests.feedback import note
from aix_lsp.lsp.requests.inline_completion import inline_item, usage
from aix_lsp.lsp.requests.suggestions import suggest
from aix_lsp.lsp.session import CandidateList, Session

_CHANNEL = "candidates"


def execute_command(session: Session, params: types.ExecuteCommandParams) -> Any:
    command = COMMANDS.get(params.command)
    if command is None:
        known = ", ".join(COMMANDS)
        raise JsonRpcException(f"no command {params.command!r}; there are {known}", INVALID_PARAMS)
    return command(session, list(params.arguments or []))


def _accept(session: Session, arguments: list[Any]) -> None:
    """`[id, length?]`: record that the suggestion was inserted; editors run this as the item's command."""
    id, length = [*arguments, None, None][:2]
    note(session, "accepted", id, length)


def _clear_caches(session: Session, arguments: list[Any]) -> None:
    for configured in session.services:
        configured.service.clear()


def _statistics(session: Session, arguments: list[Any]) -> dict[str, Any]:
    """The session's statistics; those of folders with a service of their own are under "others"."""
    figures = [configured.service.statistics() for configured in session.services]
    if not figures:
        return {}
    return figures[0] | ({"others": figures[1:]} if len(figures) > 1 else {})


def _enabling(enabled: bool) -> Callable[[Session, list[Any]], Any]:
    def switch(session: Session, arguments: list[Any]) -> Any:
        """`[]` switches everything; a language, or `{language, workspace}` with a folder's URI, narrows it down."""
        where = arguments[0] if arguments else {}
        if isinstance(where, str):
            where = {"language": where}
        if not isinstance(where, Mapping):
            raise JsonRpcException("expected a language, or {language, workspace}", INVALID_PARAMS)
        language, workspace = (_string(where.get(name, "")) for name in ("language", "workspace"))
        session.configuration.override("enabled", enabled, language=language, folder=workspace)
        return session.reconfigure(pull=False)

    return switch


def _restart_engine(session: Session, arguments: list[Any]) -> Any:
    if not session.trusts_client:
        raise JsonRpcException(
            "a session without a token may not restart an engine that others use", INVALID_REQUEST
        )
    return session.restart_engine()


def _switch_model(session: Session, arguments: list[Any]) -> Any:
    """`[model]`, a value of the setting `model`: use it until the session ends."""
    session.configuration.override("model", _string(arguments[0] if arguments else None))
    return session.reconfigure(pull=False)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise JsonRpcException(f"expected a string, not {type(value).__name__}", INVALID_PARAMS)
    return value


def _cycle_candidates(by: int) -> Callable[[Session, list[Any]], Coroutine[Any, Any, Any]]:
    """The command that moves on by `by` candidates, cyclically, for clients that keep no list themselves.

    `[uri]` refers to the suggestion shown in that document; `[{textDocument, position}]` also works if none is shown.
    The answer is an item as in `aix/inlineCompletion`, whose data contain its `index` and the `count`; null if there
    is none, or if the document has changed since.
    """

    def step(session: Session, arguments: list[Any]) -> Coroutine[Any, Any, Any]:
        uri, position = _where(arguments[0] if arguments else None)
        document = session.documents.find(uri)
        candidates = None if document is None else _candidates_at(session, document, position)
        return _step(session, candidates, by)

    return step


async def _step(session: Session, candidates: CandidateList | None, by: int) -> Any:
    if candidates is None:
        return None
    fresh = not candidates.suggestions
    if len(candidates.suggestions) < 2:
        candidates = await _completed(session, candidates)
    count = len(candidates.suggestions)
    if not count:
        return None
    first = 0 if by > 0 else count - 1
    candidates = replace(candidates, index=first if fresh else (candidates.index + by) % count)
    position, request, index = candidates.position, candidates.request, candidates.index
    session.candidates[position.document.snapshot.uri] = candidates
    suggestion = candidates.suggestions[index]
    data = usage(suggestion) | {"index": index, "count": count}
    return inline_item(session, position, request, suggestion) | {"data": data}


async def _completed(session: Session, candidates: CandidateList) -> CandidateList:
    """The list with all candidates for its position; those already sent come first."""
    found: tuple[Suggestion, ...] = ()
    async with aclosing(suggest(session, candidates.request)) as stream:
        async for update in stream:
            found = update.suggestions
    known = {suggestion.text for suggestion in candidates.suggestions}
    fresh = tuple(suggestion for suggestion in found if suggestion.text not in known)
    return replace(candidates, suggestions=candidates.suggestions + fresh)


def _candidates_at(
    session: Session, document: RequestDocument, wire: types.Position | None
) -> CandidateList | None:
    """The candidates shown in a document, or an empty list at the position."""
    if not session.is_active(document):
        return None
    candidates = session.candidates.get(document.snapshot.uri)
    if candidates is not None and not candidates.holds(document):
        candidates = None
    position = None if wire is None else session.position(document, wire)
    if position is not None and (candidates is None or candidates.position.cursor != position.cursor):
        request = CompletionRequest(document.whole, document.into_whole(position.cursor))
        candidates = CandidateList(position, request, ())
    if candidates is None:
        return None
    count = max(2, session.settings_for(document.snapshot).candidates)
    request = replace(candidates.request, trigger="invoked", channel=_CHANNEL, candidates=count)
    return replace(candidates, request=request)


def _where(argument: Any) -> tuple[str, types.Position | None]:
    if isinstance(argument, str):
        return argument, None
    try:
        given = argument.get("position") if isinstance(argument, Mapping) else None
        position = None if given is None else types.Position(given["line"], given["character"])
        uri = argument["textDocument"]["uri"]
    except (TypeError, KeyError, ValueError):
        uri = None
    if not isinstance(uri, str):
        raise JsonRpcException("expected a document's URI, or {textDocument, position}", INVALID_PARAMS)
    return uri, position


COMMANDS: dict[str, Callable[[Session, list[Any]], Any]] = {
    "aix.accept": _accept,
    "aix.nextCandidate": _cycle_candidates(1),
    "aix.previousCandidate": _cycle_candidates(-1),
    "aix.clearCaches": _clear_caches,
    "aix.statistics": _statistics,
    "aix.enable": _enabling(True),
    "aix.disable": _enabling(False),
    "aix.restartEngine": _restart_engine,
    "aix.switchModel": _switch_model,
    "aix.models": models.models,
    "aix.getModel": models.get_model,
}
