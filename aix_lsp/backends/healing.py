"""Token healing as text, for servers whose tokens we cannot see. Pure.

A cursor in the middle of a word cuts a token in two, and the model has never seen its first half in that
place. So the prompt is sent without the word's beginning, and only an answer that begins with it is taken.
The prompt then also stays the same, and in the server's cache, while the word is typed.
"""

from __future__ import annotations

import re
from dataclasses import replace

from aix_lsp.fim.prompt import FimPrompt

# The last blank before a word belongs to its token (" name"), also where several indent a line.
_WORD_END = re.compile(r" ?\w*\Z")
_LONGEST = 48


def cut(prompt: FimPrompt) -> tuple[FimPrompt, str]:
    """The prompt up to the start of the word at the cursor, and what was cut off (which may be empty)."""
    text = prompt.middle or prompt.prefix
    match = _WORD_END.search(text[-_LONGEST - 1 :])
    word = match[0] if match else ""
    if not word or len(word) > _LONGEST or len(word) >= len(text):
        return prompt, ""
    kept = text[: -len(word)]
    return (replace(prompt, middle=kept) if prompt.middle else replace(prompt, prefix=kept)), word


class Healer:
    """Takes an answer's text as it streams; gives what comes after the cursor."""

    def __init__(self, word: str) -> None:
        self._awaited = word
        self.failed = False
        """Whether the answer began with something else, so that nothing of it can be used."""

    @property
    def settled(self) -> bool:
        """Whether the whole word has come."""
        return not self._awaited and not self.failed

    def feed(self, text: str) -> str:
        """What of `text` lies after the cursor."""
        if self.failed or not self._awaited:
            return "" if self.failed else text
        common = min(len(text), len(self._awaited))
        if text[:common] != self._awaited[:common]:
            self.failed = True
            return ""
        self._awaited = self._awaited[common:]
        return text[common:]
