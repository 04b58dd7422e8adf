"""Keeps out of a suggestion what no document should contain: prompt markers, placeholders for secrets, and a chat
model's prose and Markdown fences.
"""

from __future__ import annotations

import re
from functools import cache

from aix_lsp.completion.brackets import state_at
from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess import Cut
from aix_lsp.completion.postprocess.duplicates import shared_length
from aix_lsp.fim.templates import FAMILIES
from aix_lsp.languages import language_of

# A marker that is also ordinary code, such as "[PREFIX]" or "</s>", must not end a suggestion.
_UNMISTAKABLE = re.compile(r"[|｜]|fim|SPAN|<file_sep>|<repo_?name>|<gh_stars>")

_SHORTEST = 8
"""A shorter placeholder ("xxxx") may well be the model's own text."""

_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n", re.MULTILINE)
_FENCE_FIRST = re.compile(r"\s*```[^\n`]*\n")
_CLOSING = re.compile(r"^[ \t]*```", re.MULTILINE)
_MAY_CLOSE = re.compile(r"(?:^|\n)[ \t]*(`{1,2})\Z")
_MAY_CLOSE_FENCED = re.compile(r"(\n[ \t]*`{0,2})\Z")
_THINKS = "<think>"
_OPENINGS = (
    "Here is ", "Here's ", "Here are ", "Below is ", "Sure, ", "Sure! ", "Sure thing", "Certainly", "Of course",
    "Absolutely", "Okay, ", "Great! ", "Unfortunately", "Sorry, ", "As an AI", "To complete ", "The completed ",
    "The complete ", "The missing ", "The following ", "The code ", "The function ", "The given ", "This code ",
    "This function ", "This is ", "I'll ", "I will ", "I have ", "I've ", "I can ", "I think ", "I am ", "I'm ",
    "I apologize", "You can ", "Let me ", "Let's ", "It looks like ", "It seems ", "Based on ", "In this ",
)  # fmt: skip


def markers(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut before a marker, unless the document itself has that marker."""
    found = [
        at for marker in _markers() if (at := text.find(marker)) >= 0 and not _in_document(marker, cursor)
    ]
    if found:
        return Cut(text[: min(found)], stop=True)
    return Cut(text if done else text[: len(text) - _possible_start(text)])


@cache
def _markers() -> tuple[str, ...]:
    snippets = (
        snippet for family in FAMILIES for snippet in (*family.markers, *family.stop, *family.reserved)
    )
    names = {
        snippet.replace("▁", "") if snippet.startswith("▁<") else snippet
        for snippet in snippets
        if _UNMISTAKABLE.search(snippet)
    }
    return tuple(sorted(names))


def _in_document(marker: str, cursor: CursorContext) -> bool:
    return marker in cursor.before or marker in cursor.after


def _possible_start(text: str) -> int:
    """The length of the text's end that may be the beginning of a marker."""
    at = max(text.rfind(char, max(0, len(text) - 32)) for char in "<[")
    return len(text) - at if at >= 0 and any(marker.startswith(text[at:]) for marker in _markers()) else 0


def placeholders(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut before a placeholder; see privacy/secrets.py."""
    known = [placeholder for placeholder in cursor.placeholders if len(placeholder) >= _SHORTEST]
    found = [at for placeholder in known if (at := text.find(placeholder)) >= 0]
    if found:
        return Cut(text[: min(found)], stop=True)
    held = max((shared_length(text, placeholder) for placeholder in known), default=0)
    return Cut(text[: len(text) - held] if not done or held >= _SHORTEST else text)


def chat(text: str, cursor: CursorContext, done: bool) -> Cut:
    """The code in `text`: the content of its fence, or all of it up to a fence; nothing if it is a sentence.

    Does nothing in a document with fences or sentences of its own, nor if the cursor is in a comment or a string.
    """
    if language_of(cursor.language).prose or "```" in cursor.before or "```" in cursor.after:
        return Cut(text)
    head = text.lstrip()
    if head.startswith(_THINKS):
        _, thought, text = text.partition("</think>")
        head = text.lstrip()
        if not thought:
            return Cut("")
        text = head
    if not done and _THINKS.startswith(head):
        return Cut("")
    if head.startswith("```"):
        fence = _FENCE_FIRST.match(text)
        return _fenced(text[fence.end() :], cursor, done) if fence else Cut(text if done else "")
    if not done and (not head or "```".startswith(head)):
        return Cut("")
    if any(head.startswith(opening) for opening in _OPENINGS) and not _takes_prose(cursor):
        fence = _FENCE.search(text)
        return _fenced(text[fence.end() :], cursor, done) if fence else Cut("")
    if not done and any(opening.startswith(head) for opening in _OPENINGS) and not _takes_prose(cursor):
        return Cut("")
    if closing := _CLOSING.search(text):
        return Cut(text[: closing.end() - 3], stop=True)
    return _without_beginning(text, _MAY_CLOSE, done)


def _takes_prose(cursor: CursorContext) -> bool:
    """Whether prose is plausible at the cursor; it always is in a language whose comment marker is not known."""
    language = language_of(cursor.language)
    if "sentences" in language.traits or not language.comment[0]:
        return True
    return cursor.line_before.rstrip().endswith(">") or bool(state_at(cursor.before, cursor.language))


def _fenced(text: str, cursor: CursorContext, done: bool) -> Cut:
    """The content of a fence, which may begin by repeating the cursor's line."""
    line = cursor.line_before
    if line.strip():
        if text.startswith(line):
            text = text[len(line) :]
        elif not done and line.startswith(text):
            return Cut("")
    if closing := _CLOSING.search(text):
        return Cut(text[: closing.start()].removesuffix("\n"), stop=True)
    return _without_beginning(text, _MAY_CLOSE_FENCED, done)


def _without_beginning(text: str, of_fence: re.Pattern[str], done: bool) -> Cut:
    """`text` without what may be the beginning of a closing fence."""
    held = None if done else of_fence.search(text)
    return Cut(text[: held.start(1)] if held else text)
