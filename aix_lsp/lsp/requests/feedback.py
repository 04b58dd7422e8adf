"""Records feedback on suggestions: shown, accepted, partly accepted, rejected. It stays on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pygls.exceptions import JsonRpcException

from aix_lsp.lsp.jsonrpc import INVALID_PARAMS
from aix_lsp.lsp.positions import characters_in
from aix_lsp.lsp.requests.popup_items import FIRST_LINE
from aix_lsp.lsp.session import Session

Event = Literal["shown", "accepted", "partly", "rejected"]


def note(session: Session, event: Event, id: Any, length: Any = None) -> None:
    """Pass on one event. `length` is how much was accepted, in UTF-16 units; without it, all was.

    A suggestion that has been forgotten, or was never sent, is ignored: it is not worth an error.
    """
    if not isinstance(id, str):
        raise JsonRpcException("expected the suggestion's id", INVALID_PARAMS)
    shown = session.shown.get(id)
    if shown is None:
        return
    accepted = len(shown.text) if event == "accepted" else 0
    if isinstance(length, int) and event in ("accepted", "partly"):
        accepted = characters_in(shown.text, length, "utf-16")
    shown.service.feedback(id.removesuffix(FIRST_LINE), event, accepted)


def noting(event: Event) -> Callable[[Session, Any], None]:
    """The handler of an event's notification."""

    def handler(session: Session, params: Any) -> None:
        """Params: `{id}`, `{ids}` or `{item}` with an item as it was sent, and `acceptedLength`."""
        if not isinstance(params, Mapping):
            return
        ids = params.get("ids")
        for id in ids if isinstance(ids, list) else [params.get("id") or _id_of(params.get("item"))]:
            if isinstance(id, str):
                note(session, event, id, params.get("acceptedLength"))

    return handler


def _id_of(item: Any) -> Any:
    """The id in an item: in its data, or as its command's first argument."""
    if not isinstance(item, Mapping):
        return None
    data, command = item.get("data"), item.get("command")
    if isinstance(data, Mapping) and "id" in data:
        return data["id"]
    arguments = command.get("arguments") if isinstance(command, Mapping) else None
    return arguments[0] if isinstance(arguments, list) and arguments else None
