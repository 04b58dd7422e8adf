"""Measures what a larger window and recall are worth to a model, on packages that the embedded model never saw.

python -m benchmarks.windows MODEL --cursors 60 --prefix 1000 4000 --weights 0 0.5 --json FILE

At cursors in lines, the model greedily completes the line from windows of several sizes, with recall at several
weights. Reported are exact lines, and the nats of the line's rest, which are less noisy (lower is better).
"""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonpath
from typing import Any

from aix_lsp.engine.scheduling.ngram_index import NgramIndex
from aix_lsp.engine.scheduling.recall import Recall
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation.cursors import Cursor, lines
from benchmarks.line_completion import Asker, Outcome, arguments, report
from benchmarks.prompt_forms import Form
from benchmarks.replay.corpus import LANGUAGES, chosen, default_cache

SUFFIX_SHARE = 3
"""The prefix has so many times as many characters as the suffix, as in the server's windows."""
LINES_ABOVE = 8
_CORPUS_CHARACTERS = 200_000


class Neighbours:
    """The texts that a server would upload for a cursor: the rest of its document, and the nearest files."""

    def __init__(self, documents: Sequence[Document], asker: Asker) -> None:
        self._documents = documents
        self._asker = asker
        self._tokens: dict[str, list[int]] = {}

    def around(self, cursor: Cursor, left: int, right: int) -> NgramIndex:
        """Everything but the window [left, right) of the cursor's document."""
        document = cursor.document
        texts = [document.text[:left], document.text[right:]]
        room = _CORPUS_CHARACTERS
        for other in sorted(
            self._beside(document), key=lambda one: -len(commonpath([one.path, document.path]))
        ):
            if room <= 0:
                break
            texts.append(other.text[:room])
            room -= len(other.text)
        return NgramIndex([self._encoded(text) for text in texts if text])

    def _beside(self, document: Document) -> list[Document]:
        where = (document.package, document.language)
        return [
            one for one in self._documents if (one.package, one.language) == where and one is not document
        ]

    def _encoded(self, text: str) -> list[int]:
        if text not in self._tokens:
            self._tokens[text] = self._asker.encoder.tokens(text)
        return self._tokens[text]


def window(cursor: Cursor, prefix: int) -> tuple[FimPrompt, int, int]:
    """The prompt with about `prefix` characters before the cursor, and where in the document it begins and ends."""
    text = cursor.document.text
    left = text.rfind("\n", 0, max(0, cursor.start - prefix)) + 1
    right = min(len(text), cursor.end + prefix // SUFFIX_SHARE)
    anchor = cursor.start
    for _ in range(LINES_ABOVE + 1):
        anchor = max(left, text.rfind("\n", left, max(left, anchor - 1)) + 1)
    head = text[anchor : cursor.start]
    return FimPrompt(text[left:anchor], text[cursor.end : right], head, cursor.document.path), left, right


def measure(asker: Asker, form: Form, neighbours: Neighbours, cursor: Cursor, options: Any) -> list[Outcome]:
    """The outcomes at one cursor."""
    outcomes = []
    for prefix in options.prefix:
        prompt, left, right = window(cursor, prefix)
        laid, corpus = asker.laid(form, prompt), neighbours.around(cursor, left, right)
        for weight in options.weights:
            name = f"{prefix} characters" + (f", recall {weight:g}" if weight else "")
            right_line = asker.exact(laid, cursor.wanted, Recall(laid.texts, corpus), weight)
            cost = asker.nats(laid, cursor.wanted + "\n", Recall(laid.texts, corpus), weight)
            outcomes.append(Outcome(name, right_line, cost, len(laid.tokens), 0, 0.0))
    return outcomes


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = arguments(__doc__, cursors=60, seed=11)
    parser.add_argument(
        "--prefix", nargs="+", type=int, default=[1000, 4000], help="characters before the cursor"
    )
    parser.add_argument("--weights", nargs="+", type=float, default=[0.0, 0.5], help="of recall, 0 to 1")
    parser.add_argument(
        "--files", type=int, default=1000, help="files of held-out packages to draw cursors from"
    )
    options = parser.parse_args(words)
    asker = Asker.of(options.model)
    files = chosen(options.files, LANGUAGES, options.seed, default_cache())
    documents = [Document(file.folder.name, file.language, file.path, file.text) for file in files]
    neighbours, form = Neighbours(documents, asker), Form("", asker.template)
    places = lines(documents, options.cursors, options.seed)
    report((measure(asker, form, neighbours, cursor, options) for cursor in places), options.json)


if __name__ == "__main__":
    main()
