"""Token healing: makes the model generate the partly typed word before the cursor again. Knows bytes and a vocabulary.

With the cursor inside a word, the prompt would end with tokens that the model has never seen in that place (Lundberg
2023, "The art of prompt design: prompt boundaries and token healing"). The prompt therefore ends before the word, and
the first tokens may only spell what is already there.
"""

from __future__ import annotations

from collections.abc import Sequence

from aix_lsp.engine.text.vocabulary import Vocabulary


class Healing:
    """The bytes that generated tokens still have to spell."""

    def __init__(self, vocabulary: Vocabulary, typed: bytes = b"", removed: Sequence[int] = ()) -> None:
        """`removed` are the tokens of `typed` in the text."""
        self._vocabulary = vocabulary
        self._left = typed
        self._removed = removed

    @property
    def allowed(self) -> Sequence[int] | None:
        """The tokens allowed next, never special ones; None once everything is spelled."""
        return self._vocabulary.spelling(self._left) if self._left else None

    @property
    def likely(self) -> Sequence[int]:
        """The tokens that come next unless the model writes the word with others: the removed ones, as far as they have
        come so far."""
        return self._removed

    def allowed_after(self, tokens: Sequence[int]) -> list[Sequence[int] | None]:
        """`allowed` now and after each of `tokens`."""
        left, found = self._left, [self.allowed]
        for token in tokens:
            left = left[len(self._vocabulary.bytes_of(token)) :]
            found.append(self._vocabulary.spelling(left) if left else None)
        return found

    def accept(self, data: bytes) -> bytes:
        """Take the next token's bytes; returns those that are new text."""
        left, removed = self._left, self._removed
        if not left:
            return data
        self._left = left[len(data) :]
        self._removed = removed[1:] if removed and self._vocabulary.bytes_of(removed[0]) == data else ()
        return data[len(left) :]


def can_spell(vocabulary: Vocabulary, typed: bytes) -> bool:
    """Whether tokens can spell `typed`, whichever allowed ones the model chooses.

    They can if each of its bytes is a token, as in byte-level and byte-fallback vocabularies; otherwise, wherever an
    allowed token may end, another must be able to continue.
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
