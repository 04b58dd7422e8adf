"""Turns suggestions into items of the completion popup. Pure: from a position and suggestions to LSP items."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lsprotocol import types

from aix_lsp.completion.request import Suggestion
from aix_lsp.completion.text import Position
from aix_lsp.lsp.capabilities import Client
from aix_lsp.lsp.documents import RequestPosition
from aix_lsp.lsp.requests.suggestions import accept_command

FIRST_LINE = ":line"
"""The suffix of the id of a suggestion's first line, if that is sent as a suggestion of its own."""

_WORD = re.compile(r"\w*")
_LABEL_LENGTH = 60
_LAST = "\uffff"
_FIRST = "!"


@dataclass(frozen=True, slots=True)
class PopupItems:
    """Makes items for one position and client. `first` sorts them above those of other servers."""

    position: RequestPosition
    client: Client
    first: bool

    @property
    def word(self) -> str:
        """The part of a word left of the cursor, which the item replaces so that clients can filter by it."""
        return word_before(self.position.line[: self.position.cursor.column])

    def list_of(self, items: Sequence[types.CompletionItem]) -> types.CompletionList:
        """A list whose items share their defaults, if the client supports that.

        It is incomplete: more typing, or a model that has not finished, can always lead to other suggestions.
        """
        return types.CompletionList(True, list(items), item_defaults=self._defaults())

    def insertable(self, suggestion: Suggestion) -> Suggestion | None:
        """The suggestion in a form that the client inserts correctly; None if there is none.

        A client that ignores ranges would leave closers in place that the text itself contains. If they are at the
        text's end, they are cut off; otherwise that is impossible.
        """
        if not suggestion.replace_right or not self.client.ignores_ranges:
            return suggestion
        column = self.position.cursor.column
        replaced = self.position.line[column : column + suggestion.replace_right]
        text = suggestion.text.removesuffix(replaced)
        if not text.strip() or text == suggestion.text:
            return None
        return replace(suggestion, text=text, replace_right=0)

    def item(self, suggestion: Suggestion, rank: int) -> types.CompletionItem:
        """One suggestion as an item; `rank` orders it among ours."""
        text, client = suggestion.text, self.client
        item = types.CompletionItem(
            label=_label(self.word + text),
            kind=types.CompletionItemKind.Text,
            detail=_detail(text),
            sort_text=f"{_FIRST if self.first else _LAST}{rank:04d}",
            filter_text=self._filter_text(text),
            preselect=True if self.first and rank == 0 else None,
            command=accept_command(suggestion),
            data={"id": suggestion.id},
        )
        if client.label_details:
            item.label_details = types.CompletionItemLabelDetails(description="aix")
        if not client.lazy_documentation:
            item.documentation = documentation(text, self.position.document.language, client)
        self._set_edit(item, suggestion)
        return item

    def _set_edit(self, item: types.CompletionItem, suggestion: Suggestion) -> None:
        defaults, text = self.client.item_defaults, self.word + suggestion.text
        if "editRange" in defaults and not suggestion.replace_right:
            item.text_edit_text = text
        else:
            # What is replaced right of the cursor are closers that the text itself contains: they must go whether the
            # client inserts or replaces, so one range suffices. The rest of a word stays in either mode, since the text
            # was written to precede it. (Neovim 0.12 would use the list's ranges instead of an item's own two.)
            item.text_edit = types.TextEdit(self._span(suggestion.replace_right), text)
        if self.client.as_is_insertion and "insertTextMode" not in defaults:
            item.insert_text_mode = types.InsertTextMode.AsIs

    def _span(self, replace_right: int) -> types.Range:
        cursor = self.position.cursor
        return self.position.range(
            Position(cursor.line, cursor.column - len(self.word)), self.position.right_of(replace_right)
        )

    def _defaults(self) -> types.CompletionItemDefaults | None:
        known = self.client.item_defaults
        if not known:
            return None
        defaults = types.CompletionItemDefaults()
        if "editRange" in known:
            span = self._span(0)
            defaults.edit_range = (
                types.EditRangeWithInsertReplace(span, span) if self.client.insert_replace else span
            )
        if "insertTextMode" in known:
            defaults.insert_text_mode = types.InsertTextMode.AsIs
        return defaults

    def _filter_text(self, text: str) -> str:
        """The text that the client matches typed characters against: the first line that is not blank."""
        return next((line for line in _lines(self.word + text) if line.strip()), self.word)


def first_line(suggestion: Suggestion) -> Suggestion | None:
    """A suggestion of several lines, cut after its first; None if it has only one, or the first is blank.

    None, too, if the suggestion replaces closers right of the cursor: which of them the first line contains is not
    known, and one that is removed without replacement, or left beside its duplicate, breaks the code.
    """
    head = _lines(suggestion.text)[0]
    if not head.strip() or head == suggestion.text or suggestion.replace_right:
        return None
    return replace(suggestion, id=suggestion.id + FIRST_LINE, text=head)


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


def documentation(text: str, language: str, client: Client) -> types.MarkupContent | str:
    """A preview of the text: a code fence if the client shows Markdown, otherwise the text itself."""
    if not client.markdown:
        return text
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return types.MarkupContent(types.MarkupKind.Markdown, f"{fence}{language}\n{text}\n{fence}")


def _label(text: str) -> str:
    """The first line that is not blank, shortened to fit a popup."""
    lines = _lines(text.strip())
    shown = lines[0] if len(lines[0]) <= _LABEL_LENGTH else lines[0][: _LABEL_LENGTH - 1] + "…"
    return shown + (" ⏎" if len(lines) > 1 else "")


def _detail(text: str) -> str:
    count = len(_lines(text))
    return "aix" if count == 1 else f"aix · {count} lines"


def word_before(text: str) -> str:
    """The word that a text ends with, or "". Matched in the reversed text: searching for it at the end is quadratic."""
    found = _WORD.match(text[::-1])
    return found[0][::-1] if found else ""
