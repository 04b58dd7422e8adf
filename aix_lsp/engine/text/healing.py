"""Token healing: the model generates the partly typed word before the cursor again. Pure; knows bytes and a
vocabulary.

A cursor in mid-word would end the prompt with tokens that the model never saw in that place (Lundberg 2023,
"The art of prompt design: prompt boundaries and token healing"). The prompt ends before the word instead,
and the first tokens may only spell what stands there already.
"""

from __future__ import annotations

from collections.abc import Sequence

from aix_lsp.engine.text.vocabulary import Vocabulary


class Healing:
    """The bytes still to be spelled before anything new is written."""

    def __init__(self, vocabulary: Vocabulary, typed: bytes = b"") -> None:
        self._vocabulary = vocabulary
        self._left = typed

    @property
    def allowed(self) -> Sequence[int] | None:
        """What the next token may be; None once all is spelled. Never a special token."""
        return self._vocabulary.spelling(self._left) if self._left else None

    def accept(self, data: bytes) -> bytes:
        """Take the next token's bytes; returns those of them that are new."""
        left = self._left
        if not left:
            return data
        self._left = left[len(data) :]
        return data[len(left) :]


def can_spell(vocabulary: Vocabulary, typed: bytes) -> bool:
    """Whether tokens can spell `typed`, however the model chooses among the allowed ones.

    They can where each of its bytes is a token, as byte-level and byte-fallback vocabularies have it;
    elsewhere every place that a token may end at must let another go on.
    """
    if all(vocabulary.equal_to(typed[at : at + 1]) for at in range(len(typed))):
        return True
    reachable = {0}
    for start in range(len(typed)):
        if start not in reachable:
            continue
        rest = typed[start:]
        if not vocabulary.spelling(rest):
            return False
        reachable |= {start + k for k in range(1, len(rest)) if vocabulary.equal_to(rest[:k])}
    return True
