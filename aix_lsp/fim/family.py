"""A model family's fill-in-the-middle format as data, and how it lays out a prompt. Uses no tokenizer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.languages import language_of

_REPOSITORY = "repository"
"""The name given to all repositories: the real one would help the model little, and may be confidential."""

_LONGEST_HEAD, _STEP = 1024, 512
"""Characters. Of a longer line, only the end goes into the middle, cut at a multiple of the step."""

Part = Literal["marker", "context", "suffix", "prefix", "middle"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the prompt that is tokenised separately.

    A "special" segment is one token, looked up by its name. A "text" segment is tokenised without parsing special
    tokens, so that a marker in somebody's code stays text. If `pad` is set, the text is tokenised after that character
    and the character's tokens are dropped: SentencePiece then adds no space in front.
    """

    kind: Literal["special", "text"]
    text: str
    part: Part
    pad: str = ""


@dataclass(frozen=True)
class Template:
    """The form of prompt that a family of models was trained on.

    `layout` and the fields of its slots are sequences of pieces. A piece in braces is a slot, one that contains a slot
    or a line ending is text, and any other is a marker: the name of a special token.
    """

    name: str
    layout: tuple[str, ...]
    """Markers and the slots {context}, {header}, {suffix}, {prefix}, {middle}; without the last, the prefix extends to
    the cursor."""
    middle_lines: int = 0
    """For models whose prompt shows where the middle begins: on the cursor's line, or at most this many lines above it,
    so that it moves rarely; including the line ending before it. 0 leaves that to the prompt."""
    repository: tuple[str, ...] = ()
    """The pieces that open the context, if there is any; may contain {repository}."""
    file: tuple[str, ...] = ()
    """One context file, of {path} and {text}; empty if the family was not trained on other files."""
    context_from: int = 0
    """How many weights a model must have to get context from other files: smaller ones complete worse with it."""
    after_files: tuple[str, ...] = ()
    """The pieces that end the context, if there is any."""
    header: tuple[str, ...] = ()
    """The description of the file being completed: {path}, or the comments {path_note} and {language_note}."""
    header_alone: bool = False
    """Whether the header is used even without context."""
    bos: str = ""
    """A first token that the family's own code adds explicitly; if empty, the tokenizer decides."""
    pad: str = ""
    """See Segment.pad; applies to the suffix."""
    stop: tuple[str, ...] = ()
    """Special tokens, besides the model's end tokens, that end a suggestion."""
    reserved: tuple[str, ...] = ()
    """Other special tokens of the family's tokenizers, which must not be recognised in somebody's code."""
    requires: tuple[str, ...] = ()
    """Special tokens, besides the layout's markers, that distinguish the family from similar ones."""
    named: str = ""
    """A pattern, ignoring case, that the names of the family's models match."""
    by_name: bool = False
    """Whether another family has the same special tokens, so that only the name distinguishes them."""

    @property
    def order(self) -> Literal["spm", "psm"]:
        """Suffix first (so that typing only appends to the prompt), or prefix first."""
        return "spm" if self.layout.index("{suffix}") < self.layout.index("{prefix}") else "psm"

    @property
    def markers(self) -> tuple[str, ...]:
        """The special tokens that are needed to build the family's prompt."""
        return tuple(piece for piece in self.layout if _is_marker(piece))

    @property
    def anchored(self) -> bool:
        """Whether the prompt marks where the middle begins in the text before the cursor."""
        return "{middle}" in self.layout

    @property
    def takes_context(self) -> bool:
        """Whether the prompt can contain other files."""
        return bool(self.file)

    def context_helps(self, parameters: int) -> bool:
        """Whether a model with this many weights (0 if unknown) gets context from other files."""
        return self.takes_context and (not parameters or parameters >= self.context_from)

    def segments(self, prompt: FimPrompt) -> list[Segment]:
        """The prompt as a sequence of special tokens and texts, in the order in which the model reads them."""
        prompt = self._cut_before_cursor(prompt)
        found = [Segment("special", self.bos, "marker")] if self.bos else []
        for piece in self.layout:
            if _is_marker(piece):
                found.append(Segment("special", piece, "marker"))
            else:
                found.extend(segment for segment in self._slot(piece, prompt) if segment.text)
        return found

    def render(self, prompt: FimPrompt) -> str:
        """The prompt as one string, for servers that take only text and parse special tokens out of it.

        Markers inside the user's text get a space before their last character, so that the server's tokenizer does
        not take them for its own: they cannot be escaped, and a space is the smallest visible change. The first token
        (`bos`) is left out because such servers add their own. Nothing is trimmed.
        """
        segments = self.segments(prompt)
        if self.bos:
            segments = segments[1:]
        return "".join(s.text if s.kind == "special" else self.defuse(s.text) for s in segments)

    def defuse(self, text: str) -> str:
        """`text` with each of the family's special tokens broken up."""
        return self._specials.sub(lambda match: f"{match[0][:-1]} {match[0][-1]}", text)

    def _slot(self, slot: str, prompt: FimPrompt) -> Iterator[Segment]:
        if slot == "{suffix}":
            yield Segment("text", prompt.suffix, "suffix", self.pad)
        elif slot == "{prefix}":
            yield Segment("text", prompt.prefix, "prefix")
        elif slot == "{middle}":
            yield Segment("text", prompt.middle, "middle")
        elif slot == "{context}":
            yield from self._context(prompt)
        elif slot == "{header}":
            yield from self._header(prompt)

    def _cut_before_cursor(self, prompt: FimPrompt) -> FimPrompt:
        """The prompt with its text before the cursor split into prefix and middle as the family's layout needs it."""
        prefix, middle = prompt.prefix, prompt.middle
        if not self.anchored:
            return replace(prompt, prefix=prefix + middle, middle="")
        if not self.middle_lines:
            return prompt
        if not middle:
            at = prefix.rfind("\n") + 1
            if len(prefix) - at > _LONGEST_HEAD:
                at = len(prefix) - len(prefix) % _STEP
            prefix, middle = prefix[:at], prefix[at:]
        typed = middle.count("\n")
        if done := typed - typed % self.middle_lines:
            rest = middle.split("\n", done)[-1]
            prefix, middle = prefix + middle[: len(middle) - len(rest)], rest
        if prefix.endswith("\n"):
            prefix, middle = prefix[:-1], "\n" + middle
        return replace(prompt, prefix=prefix, middle=middle)

    def _context(self, prompt: FimPrompt) -> Iterator[Segment]:
        if not self.file or not prompt.context:
            return
        yield from _fill(self.repository, {"repository": _REPOSITORY})
        for file in prompt.context:
            text = file.text if file.text.endswith("\n") else file.text + "\n"
            yield from _fill(self.file, {"path": file.path, "text": text})
        yield from _fill(self.after_files, {})

    def _header(self, prompt: FimPrompt) -> Iterator[Segment]:
        in_company = bool(self.file and prompt.context)
        if prompt.path and (self.header_alone or in_company):
            language = language_of(prompt.language)
            notes = {
                "path_note": language.comment_line(f"the file path is: {prompt.path}"),
                "language_note": language.comment_line(f"the code file is written by {language.name}"),
            }
            yield from _fill(self.header, {"path": prompt.path, **notes})

    @cached_property
    def _specials(self) -> re.Pattern[str]:
        pieces = {*self.markers, *self.stop, *self.reserved, *self.requires}
        pieces |= {
            p for p in (*self.repository, *self.file, *self.after_files, *self.header) if _is_marker(p)
        }
        if self.bos:
            pieces.add(self.bos)
        return re.compile("|".join(re.escape(p) for p in sorted(pieces, key=len, reverse=True)))


def _is_marker(piece: str) -> bool:
    return "{" not in piece and "\n" not in piece


def _fill(pieces: tuple[str, ...], values: dict[str, str]) -> Iterator[Segment]:
    for piece in pieces:
        if _is_marker(piece):
            yield Segment("special", piece, "marker")
        else:
            yield Segment("text", piece.format(**values), "context")
