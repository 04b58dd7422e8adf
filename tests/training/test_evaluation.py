"""The evaluation is correct: its figures for models whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aix_lsp.training import export, vocabulary
from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation import cursors, scores
from aix_lsp.training.evaluation.completer import Completer, Completion, Logits, load_tokenizer
from aix_lsp.training.evaluation.cursors import Cursor
from aix_lsp.training.evaluation.scores import SampleCounts, evaluate
from aix_lsp.training.evaluation.transformer import TransformerModel
from aix_lsp.training.model import Llama, Shape
from tests.training.code import write_package
from training import figures
from training.completer import RecallCompleter
from training.ngram import NgramModel
from training.tokenizer import save_tokenizer, train_tokenizer

_TEXT = """def total(values):
    result = 0
    for value in values:
        result += value
    return result
"""


class Reciter:
    """A model that knows one text by heart, and ends after it."""

    def __init__(self, tokenizer: Any, text: str) -> None:
        self.name, self.tokenizer, self.context, self._text = "reciter", tokenizer, 4096, text
        self._seen: list[int] = []

    def start(self, tokens: Sequence[int]) -> Logits:
        self._seen = list(tokens)
        return self._scores()

    def add(self, token: int) -> Logits:
        self._seen.append(token)
        return self._scores()

    def nats(self, tokens: Sequence[int]) -> float:
        return math.log(2) * (len(tokens) - 1)

    def _scores(self) -> Logits:
        """Prefer tokens that continue the text after the longest suffix of the input found in it."""
        prefix = self.tokenizer.convert_tokens_to_ids(vocabulary.PREFIX)
        seen = self.tokenizer.decode(self._seen[self._seen.index(prefix) :], skip_special_tokens=True)
        at = self._text.find(seen) + len(seen)
        found = np.zeros(len(self.tokenizer.get_vocab()), dtype=np.float32)
        for token in range(len(vocabulary.SPECIALS), len(found)):
            piece = self.tokenizer.decode([token])
            if self._text.startswith(piece, at):
                found[token] = len(piece)
        if not found.any():
            found[self.tokenizer.eos_token_id] = 1
        return found


class Silent(Reciter):
    """A model that ends at once; forced to spell, it does so character by character."""

    def _scores(self) -> Logits:
        size = len(self.tokenizer.get_vocab())
        found = np.array([-len(self.tokenizer.decode([token])) for token in range(size)], dtype=np.float32)
        found[self.tokenizer.eos_token_id] = 1
        return found


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer([_TEXT] * 5, 400), folder)
    return load_tokenizer(folder)


def _cursor(start: str, end: str, kind: cursors.Kind = "after a sign") -> Cursor:
    at = _TEXT.index(start) + len(start)
    return Cursor(Document("p", "python", "a.py", _TEXT), kind, at, _TEXT.index(end, at))


@pytest.mark.parametrize("start", ["def ", "def to", "    res", "for value", "result += v"])
def test_a_model_that_knows_the_text_is_always_right(tokenizer: Any, start: str) -> None:
    completer, cursor = Completer(Reciter(tokenizer, _TEXT)), _cursor(start, "\n")
    (prediction,) = scores.predictions(completer, [cursor])
    assert prediction.exact
    assert figures.similarity(prediction) == 1
    assert figures.parses(prediction)
    assert not prediction.completion.ended  # the model went on, and the line's end stopped it
    assert figures.exact_lines(completer, [cursor], suffix=False) == 1
    assert figures.ended_lines(completer, [cursor]) == 0


def test_bits_per_byte_counts_bytes_not_tokens(tokenizer: Any) -> None:
    completer = Completer(Reciter(tokenizer, _TEXT))
    document = Document("p", "python", "a.py", _TEXT)
    tokens = len(tokenizer(_TEXT, add_special_tokens=False).input_ids)
    assert scores.bits_per_byte(completer, [document], 1) == pytest.approx(tokens / len(_TEXT))


def test_keystrokes_of_a_perfect_model_are_one_a_line_and_one_to_accept(tokenizer: Any) -> None:
    cursor = _cursor("def total(values):\n    ", "\n")
    saved = scores.keystrokes_saved(Completer(Reciter(tokenizer, _TEXT)), [cursor], lines=3)
    typed = ["result = 0", "for value in values:", "result += value"]
    assert saved == pytest.approx(1 - 6 / (sum(map(len, typed)) + 3))


def test_a_model_that_says_nothing_saves_nothing(tokenizer: Any) -> None:
    cursor = _cursor("def total(values):\n    ", "\n")
    assert scores.keystrokes_saved(Completer(Silent(tokenizer, "")), [cursor], lines=2) == 0


@pytest.mark.parametrize(
    ("text", "ended", "right", "repeats"),
    [
        ("a()\nb()", True, True, False),
        ("a()\nb()", False, False, False),
        ("a()", True, False, False),
        ("a()\n" * 5, False, False, True),
    ],
)
def test_ends_and_repeats(text: str, ended: bool, right: bool, repeats: bool) -> None:
    document = Document("p", "python", "a.py", "if x:\n    a()\n    b()\n")
    cursor = Cursor(document, "block", 5, len(document.text) - 1)
    prediction = scores.Prediction(cursor, Completion(text, ended))
    assert figures.ended_correctly(prediction) is right
    assert figures.repeats(prediction) is repeats


def test_cursors_are_in_code_and_reproducible(tmp_path: Path) -> None:
    write_package(tmp_path, files=6)
    documents = [Document("p", "python", p.name, p.read_text()) for p in sorted(tmp_path.iterdir())]
    found = cursors.lines(documents, 60)
    assert found == cursors.lines(documents, 60)
    assert {c.kind for c in found} == {"mid-word", "after a sign", "line start"}
    for cursor in found:
        assert "\n" not in cursor.wanted
        assert cursor.wanted.strip()
        prompt = cursor.prompt()
        assert prompt.prefix + cursor.wanted + prompt.suffix in cursor.document.text
    for cursor in cursors.blocks(documents, 10):
        assert 2 <= len(cursor.wanted.strip().split("\n")) <= 6


def test_ngram_probabilities_add_up_to_one_and_know_what_they_saw(tokenizer: Any) -> None:
    ids = tokenizer(_TEXT * 4, add_special_tokens=False).input_ids
    model = NgramModel(ids, tokenizer)
    logits = model.start(ids[:12])
    assert np.exp(logits.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)
    assert int(np.argmax(logits)) == ids[12]
    uniform = math.log(len(tokenizer.get_vocab()))
    assert model.nats(ids[:60]) / 59 < 0.3 * uniform
    assert model.nats([5, 290, 7, 291]) / 3 > model.nats(ids[:60]) / 59


def test_the_transformers_model_scores_alike_with_and_without_its_cache(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = Shape(400, hidden=32, layers=2, heads=2, kv_heads=1, intermediate=64, context=512, head_size=16)
    save_tokenizer(train_tokenizer([_TEXT] * 5, 400), tmp_path / "tokenizer")
    export.write_model(Llama(shape).state_dict(), shape, tmp_path / "tokenizer", tmp_path / "model")
    model = TransformerModel(tmp_path / "model", "small")
    first, second = [5, 9, 30, 31, 32], [5, 9, 30, 60, 61]
    model.start(first)
    model.add(40)
    after = [model.start(second), model.add(70)]
    fresh = TransformerModel(tmp_path / "model", "small")
    np.testing.assert_allclose(after[0], fresh.start(second), atol=1e-4)
    np.testing.assert_allclose(after[1], fresh.start([*second, 70]), atol=1e-4)
    probabilities = [model.start(list(head))[token] for head, token in _steps(second)]
    logs = [model.start(list(head)) for head, _ in _steps(second)]
    nats = -sum(
        c - np.logaddexp.reduce(log.astype(np.float64)) for c, log in zip(probabilities, logs, strict=True)
    )
    assert model.nats(second) == pytest.approx(nats, abs=1e-3)


def _steps(ids: Sequence[int]) -> list[tuple[Sequence[int], int]]:
    return [(ids[: at + 1], following) for at, (_, following) in enumerate(pairwise(ids))]


def test_a_report_has_a_row_per_figure_and_a_column_per_model(tokenizer: Any, tmp_path: Path) -> None:
    write_package(tmp_path, files=4)
    documents = [Document("p", "python", p.name, p.read_text()) for p in sorted(tmp_path.iterdir())]
    ids = [i for d in documents for i in tokenizer(d.text, add_special_tokens=False).input_ids]
    counts = SampleCounts(lines=6, other_lines=6, blocks=2, replays=1, pieces=2)
    measured = figures.evaluate(NgramModel(ids, tokenizer), documents, counts)
    kept: list[int] = []
    again = figures.evaluate(
        NgramModel(ids[:9], tokenizer), documents, counts, known=measured, keep=lambda f: kept.append(len(f))
    )
    assert again == measured and not kept  # nothing is measured twice
    partly = {name: measured[name] for name in list(measured)[:-1]}
    figures.evaluate(
        NgramModel(ids, tokenizer), documents, counts, known=partly, keep=lambda f: kept.append(len(f))
    )
    assert kept == [len(measured)]
    shown = figures.table([measured, {"model": "absent"}]).splitlines()
    assert shown[0] == "| | n-gram | absent |"
    bits = next(line for line in shown if line.startswith("| bits per byte"))
    assert 0 < float(bits.split("|")[2]) < 4
    assert bits.split("|")[3].strip() == "–"
    shown_to_users = evaluate(NgramModel(ids, tokenizer), documents, counts)
    assert shown_to_users == {
        "Python": {name: measured["Python"][name] for name in shown_to_users["Python"]}
    }  # `aix-lsp train` measures the same on less data


def test_recall_writes_text_found_elsewhere(tokenizer: Any) -> None:
    known = "def total(values):\n    result = first(values)\n    return result\n"
    text = "def other(values):\n    result = fi\n"
    document = Document("p", "python", "pkg/b.py", text)
    neighbours = [
        document,
        Document("p", "python", "pkg/a.py", known),
        Document("q", "python", "pkg/c.py", known),
    ]
    at = text.index("fi") + 2
    cursor = Cursor(document, "mid-word", at, at)
    silent = Silent(tokenizer, "")
    for beside, expected in ((None, ""), (neighbours, "rst(values)"), (neighbours[:1] + neighbours[2:], "")):
        completer = RecallCompleter(silent, beside)
        written = completer.complete(cursor.prompt(), 20, line=True, document=document).text
        assert written.strip() == expected


def test_cursors_in_brackets_end_before_the_closer_that_follows() -> None:
    held = [Document("p", "python", "a.py", _TEXT * 5)]
    found = figures.in_brackets(held, 20)
    assert len(found) == 20
    for cursor in found:
        assert cursor.wanted
        assert cursor.prompt().suffix.startswith(")")
        assert cursor.prompt(suffix=False).suffix == ""


class Indifferent(Silent):
    """A model to which every token is equally likely."""

    def _scores(self) -> Logits:
        return np.zeros(len(self.tokenizer.get_vocab()), dtype=np.float32)


def test_bits_of_middles_count_the_missing_text_and_the_space_before_it(tokenizer: Any) -> None:
    completer, cursor = RecallCompleter(Indifferent(tokenizer, "")), _cursor("result += ", "\n")
    missing = tokenizer(" value", add_special_tokens=False).input_ids
    wanted = len(missing) * math.log2(len(tokenizer.get_vocab())) / len("value")
    assert figures.middle_bits(completer, [cursor]) == pytest.approx(wanted, rel=1e-4)
