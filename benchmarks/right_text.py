"""`python -m benchmarks.right_text`: measures what the filters remove from correct text, written by its authors.

Needs no model, and a few seconds. At places drawn from the replay's held-out files, the following lines are taken out
and passed through each filter as if a model had written them. What a filter cuts is a loss from a correct suggestion.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from aix_lsp.completion.cursor import AFTER, BEFORE, CursorContext, is_multiline
from aix_lsp.completion.postprocess import pipeline
from benchmarks.replay.corpus import DEBIAN, LANGUAGES, SourceFile, chosen, default_cache

_LINES = (1, 1, 2, 4)
MEANT = ("one_line", "scope")
"""Filters that end a suggestion when it has said enough, even if the rest is correct."""


def places(source: SourceFile, count: int, draw: random.Random) -> Iterator[tuple[CursorContext, str]]:
    """Cursors in a file, and the text that belongs there: up to the end of the line, or of a few lines."""
    lines = source.text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    for _ in range(count if len(lines) > 2 else 0):
        first = draw.randrange(1, len(lines))
        last = min(first + draw.choice(_LINES), len(lines))
        body = len(lines[first]) - len(lines[first].lstrip())
        column = draw.choice(
            (-1, body, draw.randrange(len(lines[first])))
        )  # from the end of the line above, too
        begin, end = starts[first] + column, starts[last] - 1
        text = source.text[begin:end]
        if text.strip():
            before, after = source.text[:begin][-BEFORE:], source.text[end:][:AFTER]
            yield CursorContext(f"file:///{source.path}", source.language, before, after), text


def cut_by(cursor: CursorContext, text: str) -> Iterator[str]:
    """The names of the filters that remove something from a text at a cursor."""
    for each in pipeline.of(is_multiline(cursor, "auto")):
        if each.__name__ not in MEANT and each(text, cursor, True).text.rstrip() != text.rstrip():
            yield each.__name__


def report(files: Sequence[SourceFile], count: int, seed: int, examples: int) -> None:
    """Print a line for each filter, and the first examples of what it cut."""
    draw = random.Random(seed)
    total, cut, shown = 0, Counter[str](), Counter[str]()
    for source in files:
        for cursor, text in places(source, count, draw):
            total += 1
            for name in cut_by(cursor, text):
                cut[name] += 1
                shown[name] += 1
                if shown[name] <= examples:
                    print(
                        f"{name}: {source.name}\n  {cursor.before[-80:]!r}\n  {text!r}\n  {cursor.after[:80]!r}"
                    )
    print(f"{total} places in {len(files)} files")
    names = {each.__name__ for multiline in (False, True) for each in pipeline.of(multiline)}
    for name in sorted(names - set(MEANT), key=lambda name: (-cut[name], name)):
        print(f"  {name:14} {cut[name]:5}  {cut[name] / max(1, total):.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.right_text", description=__doc__)
    parser.add_argument("--files", type=int, default=90, help="maximum number of files")
    parser.add_argument("--places", type=int, default=40, help="in each of them")
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES + DEBIAN, default=LANGUAGES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=0, help="examples of what each filter cut")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where the packages are kept")
    options = parser.parse_args()
    files = chosen(options.files, options.languages, options.seed, options.cache)
    report(files, options.places, options.seed, options.examples)


if __name__ == "__main__":
    main()
