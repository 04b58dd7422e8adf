"""Compares prompt forms for a prefix-first model, and what each source of context contributes.

python -m benchmarks.prompts MODEL FOLDER … --cursors 60 --json FILE

At cursors drawn from each folder's files (`aix_lsp.training.evaluation.cursors`), the model greedily completes the line
from each form. Reported are exact lines; the nats of the line's rest (lower is better, and less noisy than exact
lines); the prompt's tokens; and the tokens that the engine has to prefill after the next key.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from aix_lsp.completion.context.index.reader import IndexReader, Query
from aix_lsp.completion.context.index.scan import Gate, scan
from aix_lsp.completion.context.index.searches import MOST, SEARCHES
from aix_lsp.completion.context.index.store import Store
from aix_lsp.completion.context.snippets import Snippet
from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation.cursors import Cursor, lines
from benchmarks.line_completion import Asker, Outcome, arguments, common_length, report
from benchmarks.prompt_forms import Form, context_forms, forms

_HEAD = 16384
_KEYS = 6


def ask(asker: Asker, form: Form, cursor: Cursor, found: Sequence[Snippet]) -> Outcome:
    """The result of one form at one cursor."""
    laid = asker.laid(form, form.prompt(cursor, cursor.start, found))
    context = sum(count for part, count in laid.parts if part == "context")
    return Outcome(
        form.name,
        asker.exact(laid, cursor.wanted),
        asker.nats(laid, cursor.wanted),
        len(laid.tokens),
        context,
        _next_key(asker, form, cursor, found),
    )


def ask_all(asker: Asker, chosen: Sequence[Form], cursor: Cursor, found: Sequence[Snippet]) -> list[Outcome]:
    """The results of all forms at one cursor; forms with the same prompt are computed once."""
    known: dict[tuple[Any, ...], Outcome] = {}
    outcomes = []
    for form in chosen:
        key = (repr(form.template), form.heal, form.prompt(cursor, cursor.start, found))
        if key not in known:
            known[key] = ask(asker, form, cursor, found)
        outcomes.append(replace(known[key], form=form.name))
    return outcomes


def _next_key(asker: Asker, form: Form, cursor: Cursor, found: Sequence[Snippet]) -> float:
    """Tokens beyond the common prefix of two successive keys' prompts; mean over the first keys of the line's rest."""
    last = asker.laid(form, form.prompt(cursor, cursor.start, found)).tokens
    read = []
    for at in range(cursor.start + 1, min(cursor.end, cursor.start + _KEYS) + 1):
        now = asker.laid(form, form.prompt(cursor, at, found)).tokens
        read.append(len(now) - common_length(last, now))
        last = now
    return statistics.mean(read)


def searched(root: Path, count: int, seed: int) -> Iterator[tuple[Cursor, list[Snippet]]]:
    """Cursors in a folder's Python files, and what the sources of context find for them."""
    with tempfile.TemporaryDirectory(prefix="aix-prompts-") as folder:
        store = Store(Path(folder) / "index.db")
        try:
            gate = Gate(root, ())
            scan(store, gate, lambda done, of: None)
            index = IndexReader(store, gate)
            paths = sorted(path for path, _ in store.stamps() if path.endswith(".py"))
            documents = [
                Document(root.name, "python", path, (root / path).read_text("utf-8")) for path in paths
            ]
            fitting = [document for document in documents if 1500 < len(document.text) < 60_000]
            if not fitting:
                raise SystemExit(f"{root}: no Python files of 1,500 to 60,000 characters that may be sent")
            for cursor in lines(fitting, count, seed):
                yield cursor, list(_snippets(cursor, index))
        finally:
            store.close()


def _snippets(cursor: Cursor, index: IndexReader) -> Iterator[Snippet]:
    whole, text = cursor.prompt(), cursor.document.text
    query = Query(cursor.document.path, "python", text[: cursor.start][:_HEAD], whole.prefix, whole.suffix)
    for source, search in SEARCHES.items():
        for rank, excerpt in enumerate(islice(search(query, index), MOST)):
            yield Snippet(source, excerpt.path, excerpt.text, "", rank)  # type: ignore[arg-type]


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = arguments(__doc__, cursors=20, seed=5)
    parser.add_argument("folders", nargs="+", type=Path, help="`--cursors` is for each")
    parser.add_argument("--context", action="store_true", help="compare context from other files, not forms")
    parser.add_argument(
        "--above", type=int, default=0, help="with --context: lines behind the middle token; -1 for none"
    )
    parser.add_argument("--forms", nargs="+", metavar="NAME", help="only these and the first")
    options = parser.parse_args(words)
    asker = Asker.of(options.model)
    template = asker.template
    if not template.anchored:
        parser.error(f"{options.model} is of no family that reads the prefix first")
    chosen = (
        context_forms(template, options.above if options.above >= 0 else None)
        if options.context
        else forms(template)
    )
    chosen = [form for form in chosen if form is chosen[0] or form.name in (options.forms or [form.name])]
    folders = [searched(folder.resolve(), options.cursors, options.seed) for folder in options.folders]
    places = chain.from_iterable(zip(*folders, strict=False))
    report((ask_all(asker, chosen, cursor, found) for cursor, found in places), options.json)


if __name__ == "__main__":
    main()
