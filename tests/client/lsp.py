"""The LSP structures that the headless editor sends and reads: its capabilities, params and results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Trigger = Literal["automatic", "invoked"]

CAPABILITIES: dict[str, Any] = {
    "general": {"positionEncodings": ["utf-16"]},
    "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
    "window": {"workDoneProgress": True, "showMessage": {}},
    "textDocument": {
        "synchronization": {"didSave": True},
        "completion": {
            "contextSupport": True,
            "completionItem": {
                "insertReplaceSupport": True,
                "resolveSupport": {"properties": ["documentation", "detail"]},
                "documentationFormat": ["markdown", "plaintext"],
            },
            "completionList": {"itemDefaults": ["editRange", "data"]},
        },
        "inlineCompletion": {},
    },
}
"""The capabilities of a present-day client; a caller may pass others."""


def inline_context(trigger: Trigger, selected: Mapping[str, Any] | None) -> dict[str, Any]:
    context: dict[str, Any] = {"triggerKind": 1 if trigger == "invoked" else 2}
    if selected:
        context["selectedCompletionInfo"] = selected
    return context


def inline_items(result: Any) -> list[dict[str, Any]]:
    """The items of an inline answer, in any of the forms that LSP allows."""
    if isinstance(result, Mapping):
        return list(result.get("items", []))
    return list(result or [])


def insert_text(item: Mapping[str, Any]) -> str:
    """The text of an inline item, plain or as a StringValue."""
    text = item["insertText"]
    return str(text["value"]) if isinstance(text, Mapping) else str(text)
