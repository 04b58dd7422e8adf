"""The training samples: tokens decode to the text, samples are complete, and streams are reproducible."""

from __future__ import annotations

import re
from functools import partial
from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aix_lsp.fim.prompt import ContextFile, FimPrompt
from aix_lsp.training.corpus import Document
from aix_lsp.training.feeding import Feed, batches
from aix_lsp.training.recipe import Emphasis, Phase, Recipe
from aix_lsp.training.samples import Stream
from aix_lsp.training.spans import block_span, choose_span
from aix_lsp.training.vocabulary import (
    END,
    FILE,
    MIDDLE,
    PREFIX,
    REPOSITORY,
    SPECIALS,
    SUFFIX,
    Codec,
)
from training.tokenizer import train_tokenizer

_PYTHON = "\n\n".join(
    f"def area_{n}(width: int, height: int) -> int:\n    total = width * height + {n}\n"
    f"    for item in range(total):\n        print(item, [width, height], 'text {n}')\n    return total\n"
    for n in range(60)
)
_DOCUMENTS = [Document("shapes", "python", f"src/shapes/area{n}.py", _PYTHON[n * 40 :]) for n in range(4)]
_CODEC = Codec(train_tokenizer([_PYTHON, "camelCaseName HTTPServer __init__ ünï 世界 12345\t\r\n"], 600))


@given(st.text() | st.text(alphabet="aZ_09 \t\n\r(){}é世\u0300\u00a0"))
@settings(max_examples=100)
def test_any_text_survives_a_round_trip(text: str) -> None:
    assert _CODEC.decode(_CODEC.encode(text)) == text


@pytest.mark.parametrize("special", SPECIALS)
def test_a_marker_in_code_stays_text(special: str) -> None:
    ids = _CODEC.encode(f"x = '{special}'")
    assert min(ids) >= len(SPECIALS)
    assert _CODEC.decode(ids) == f"x = '{special}'"


def test_digits_stand_alone_and_identifiers_are_split_at_camel_case() -> None:
    codec = Codec(train_tokenizer(["camelCaseName snake_case_name 2024 2024"] * 50, 600))
    pieces = [codec.decode([token]) for token in codec.encode("camelCaseName snake_case_name 2024")]
    assert pieces == ["camel", "Case", "Name", " snake", "_case", "_name", " 2", "0", "2", "4"]


@given(st.integers(0, 10_000), st.integers(0, len(_PYTHON) - 1))
@settings(max_examples=100)
def test_spans_lie_in_the_text_and_end_where_suggestions_end(seed: int, place: int) -> None:
    start, end = choose_span(Random(seed), _PYTHON, place, place + 50)
    assert 0 <= start <= end <= len(_PYTHON)
    assert end - start <= 600


def test_a_block_is_the_deeper_indented_lines() -> None:
    text = "if a:\n    b()\n\n    c()\nd()\n"
    assert text[slice(*(block_span(text, 2) or (0, 0)))] == "\n    b()\n\n    c()"
    assert block_span(text, text.index("d()")) is None


def _samples(length: int = 300, rows: int = 60) -> list[list[int]]:
    """The samples of some rows, split after each end token."""
    stream = Stream(_DOCUMENTS, _CODEC, seed=3)
    return [sample for _ in range(rows) for sample in _split(stream.row(length).ids)]


def _split(ids: list[int]) -> list[list[int]]:
    """The samples of a row, each without its end token."""
    found = []
    while _CODEC.end in ids:
        at = ids.index(_CODEC.end)
        found.append(ids[:at])
        ids = ids[at + 1 :]
    return found


def test_rows_are_full_and_markers_cost_nothing() -> None:
    stream = Stream(_DOCUMENTS, _CODEC)
    free = {_CODEC.special(name) for name in SPECIALS if name != END}
    for _ in range(40):
        row = stream.row(200)
        assert len(row.ids) == len(row.weights) == 201
        assert all(weight == 0 for token, weight in zip(row.ids, row.weights, strict=True) if token in free)
        assert sum(row.weights) > 100


def test_a_middle_that_ends_within_a_line_keeps_the_rest_of_the_line_visible() -> None:
    emphasis = Emphasis(short=0.5, midline=1.0, plain=0.0)
    stream = Stream(_DOCUMENTS, _CODEC, seed=5, emphasis=emphasis)
    prefix, suffix, middle = (_CODEC.special(name) for name in (PREFIX, SUFFIX, MIDDLE))
    ends = {"within a line": 0, "with a line": 0}
    for _ in range(40):
        for sample in _split(stream.row(300).ids):
            if sample.count(suffix) != 1 or sample.index(suffix) > sample.index(prefix):
                continue
            shown = _CODEC.decode(sample[sample.index(suffix) + 1 : sample.index(prefix)])
            text = _CODEC.decode(sample[sample.index(prefix) + 1 : sample.index(middle)])
            text += _CODEC.decode(sample[sample.index(middle) + 1 :])
            rests = {_PYTHON[m.end() :][:1] for m in re.finditer(re.escape(text), _PYTHON)}
            if rests & {"", "\n"} or text.endswith("\n"):
                ends["with a line"] += 1
            else:
                ends["within a line"] += 1
                assert shown[:1] in rests
    assert ends["within a line"] > ends["with a line"]


def test_a_cut_document_is_whole_again_when_put_together() -> None:
    orders = {"suffix first": 0, "prefix first": 0}
    prefix, suffix, middle = (_CODEC.special(name) for name in (PREFIX, SUFFIX, MIDDLE))
    for sample in _samples():
        if not all(sample.count(marker) == 1 for marker in (prefix, suffix, middle)):
            continue
        first, second, last = sorted(map(sample.index, (prefix, suffix, middle)))
        pieces = {sample[first]: sample[first + 1 : second], sample[second]: sample[second + 1 : last]}
        assert sample[last] == middle
        orders["suffix first" if sample[first] == suffix else "prefix first"] += 1
        text = (
            _CODEC.decode(pieces[prefix]) + _CODEC.decode(sample[last + 1 :]) + _CODEC.decode(pieces[suffix])
        )
        assert text in _PYTHON
    assert orders["suffix first"] > orders["prefix first"] > 0


def test_samples_are_laid_out_as_the_engine_lays_out_prompts() -> None:
    prompt = FimPrompt("a\n", "after", "b", path="a.py", context=(ContextFile("b.py", "other\n"),))
    wanted: list[int] = []
    for piece in (
        REPOSITORY,
        FILE,
        "b.py\n",
        "other\n",
        FILE,
        "a.py\n",
        SUFFIX,
        "after",
        PREFIX,
        "a",
        MIDDLE,
        "\nb",
    ):
        wanted += [_CODEC.special(piece)] if piece in SPECIALS else _CODEC.encode(piece)
    got: list[int] = []
    for segment in _CODEC.template.segments(prompt):
        got += [_CODEC.special(segment.text)] if segment.kind == "special" else _CODEC.encode(segment.text)
    assert got == wanted
    orders = [[i for i in sample if i < len(SPECIALS)] for sample in _samples()]
    assert [i for i in got if i < len(SPECIALS)] in orders


def test_the_middle_weighs_more_than_its_surroundings() -> None:
    """The typed part of it, after its marker, does not."""
    stream, middle = Stream(_DOCUMENTS, _CODEC, seed=3), _CODEC.special(MIDDLE)
    seen = set()
    for _ in range(40):
        row = stream.row(300)
        for at, token in enumerate(row.ids):
            if token == middle and _CODEC.end in row.ids[at:]:
                end = row.ids.index(_CODEC.end, at)
                weights = row.weights[at + 1 : end]
                assert weights == sorted(weights)
                assert row.weights[end] > max(weights, default=0.0)
                seen.update(weights)
    assert seen == {1.0, 3.0}


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_continues_from_its_position(seed: int) -> None:
    whole, head = Stream(_DOCUMENTS, _CODEC, seed=seed), Stream(_DOCUMENTS, _CODEC, seed=seed)
    rows = [whole.row(150).ids for _ in range(12)]
    assert [head.row(150).ids for _ in range(5)] == rows[:5]
    tail = Stream(_DOCUMENTS, _CODEC, seed=seed)
    tail.position = head.position
    assert [tail.row(150).ids for _ in range(7)] == rows[5:]


def test_workers_share_an_epoch() -> None:
    streams = [Stream(_DOCUMENTS, _CODEC, rank=rank, workers=2) for rank in range(2)]
    assert streams[0].row(150).ids != streams[1].row(150).ids


def test_feeders_take_turns_with_their_streams() -> None:
    recipe = Recipe(tokens=10_000, batch=400, micro_batch=200, phases=(Phase(0.0, 100), Phase(0.1, 200)))
    feed = Feed(partial(Stream, _DOCUMENTS, _CODEC, {}, 0), recipe, 0, 1, tokens=0, piece=0)
    got = [batch.tokens.tolist() for batch in islice(batches(feed, feeders=2), 8)]
    streams = [Stream(_DOCUMENTS, _CODEC, {}, 0, rank, 2) for rank in range(2)]
    lengths = [100] * 5 + [200] * 3
    for number, length in enumerate(lengths):
        assert got[number] == [streams[number % 2].row(length).ids for _ in range(200 // length)]


def test_a_language_may_come_more_often() -> None:
    assert len(Stream(_DOCUMENTS, _CODEC, {"python": 2.0})) == 2 * len(Stream(_DOCUMENTS, _CODEC))
