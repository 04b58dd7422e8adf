"""Prompt forms for a model that reads the prefix first, for comparison by `benchmarks.prompts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aix_lsp.completion.context.index.searches import SEARCHES
from aix_lsp.completion.context.snippets import Snippet, Source, choose
from aix_lsp.fim.family import Template
from aix_lsp.fim.prompt import ContextFile, FimPrompt
from aix_lsp.training.evaluation.cursors import Cursor

CHARACTERS_A_TOKEN = 3.2
SIZES = (500, 1000, 2000)
PREFIX_CHARACTERS, SUFFIX_CHARACTERS = 1000, 300
"""Less than a server's window: here, prefill takes the time."""


@dataclass(frozen=True)
class Form:
    """One way of presenting the text at a cursor to the model."""

    name: str
    template: Template
    heal: bool = True
    above: int | None = None
    """Whole lines above the cursor's that follow the middle token, with the line's head; None for not even the head."""
    context: int = 0
    """Approximate number of tokens from other files."""
    sources: tuple[Source, ...] = ()

    def prompt(self, cursor: Cursor, at: int, found: Sequence[Snippet]) -> FimPrompt:
        """The prompt at `at`, a place from the cursor's start to its end."""
        whole = around(cursor)
        before = whole.prefix + cursor.document.text[cursor.start : at]
        cut = len(before) if self.above is None else _line_start(before, self.above)
        kept = choose(
            [snippet for snippet in found if snippet.source in self.sources],
            before + "\n" + whole.suffix,
            int(self.context * CHARACTERS_A_TOKEN),
        )
        files = tuple(ContextFile(snippet.path, snippet.text) for snippet in kept)
        return replace(whole, prefix=before[:cut], middle=before[cut:], context=files)


def forms(template: Template) -> list[Form]:
    """The forms without other files."""
    plain = replace(template, layout=tuple(piece for piece in template.layout if piece != "{middle}"))
    alone = replace(template, header_alone=True)
    named = replace(alone, header=(*template.repository[:1], "repository\n", *template.header))
    markers = [piece for piece in template.layout if "{" not in piece]
    suffix_first = replace(
        template,
        layout=("{context}", "{header}", markers[0], markers[1], "{suffix}", markers[2], "{prefix}"),
    )
    return [
        Form("plain", plain, heal=False),
        Form("plain, healed", plain),
        Form("line's head behind the middle token", template, heal=False, above=0),
        Form("line's head, healed", template, above=0),
        Form("8 lines and the head, healed", template, above=8),
        Form("suffix first, healed", suffix_first),
        Form("plain, healed, path", replace(plain, header_alone=True)),
        Form("line's head, healed, path", alone, above=0),
        Form("line's head, healed, path and repository", named, above=0),
    ]


def context_forms(template: Template, above: int | None) -> list[Form]:
    """The forms with other files: by size, and by source."""
    if above is None:
        template = replace(template, layout=tuple(piece for piece in template.layout if piece != "{middle}"))
    every: tuple[Source, ...] = tuple(SEARCHES)  # type: ignore[arg-type]
    base = Form("no other file", template, above=above)
    sizes = [replace(base, name=f"{n} tokens of other files", context=n, sources=every) for n in SIZES]
    alone = [replace(base, name=f"{source} alone", context=SIZES[0], sources=(source,)) for source in every]
    # As code before the prefix, each file after a comment with its path, without special tokens.
    rest = tuple(piece for piece in template.layout[1:] if piece not in ("{context}", "{header}"))
    layout = ("<|fim_prefix|>", "{context}", *rest[rest.index("{prefix}") :])
    inside = replace(template, layout=layout, file=("# {path}\n{text}\n",), repository=(), header=())
    return [
        base,
        *sizes,
        *alone,
        *(
            replace(form, name=f"{form.name}, in the prefix", template=inside)
            for form in (*sizes[:2], *alone)
        ),
    ]


def around(cursor: Cursor) -> FimPrompt:
    """The text around a cursor, from the start of a line on."""
    whole = cursor.prompt()
    left = max(0, len(whole.prefix) - PREFIX_CHARACTERS)
    left = whole.prefix.rfind("\n", 0, left) + 1 if left else 0
    return replace(whole, prefix=whole.prefix[left:], suffix=whole.suffix[:SUFFIX_CHARACTERS])


def _line_start(before: str, above: int) -> int:
    """The start of the line that is `above` lines above the last."""
    at = before.rfind("\n") + 1
    for _ in range(above):
        if at:
            at = before.rfind("\n", 0, at - 1) + 1
    return at
