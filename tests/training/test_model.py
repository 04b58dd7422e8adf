"""Our training model against transformers' own Llama, and the loss against torch's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from aix_lsp.training import export, loss, vocabulary
from aix_lsp.training.model import Llama, Shape
from aix_lsp.training.optimizer import Optimizers, orthogonal
from training.tokenizer import save_tokenizer, train_tokenizer

SHAPES = [
    Shape(vocabulary=300, hidden=64, layers=2, heads=4, kv_heads=2, intermediate=96, head_size=16),
    Shape(vocabulary=300, hidden=48, layers=2, heads=3, kv_heads=1, intermediate=64, head_size=16),
]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("length", [7, 128, 200])
def test_exported_model_computes_what_transformers_computes(
    shape: Shape, length: int, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = train_tokenizer(["def f(x):\n    return x\n"] * 3, 300)
    save_tokenizer(tokenizer, tmp_path / "tokenizer")
    model = Llama(shape)
    export.write_model(model.state_dict(), shape, tmp_path / "tokenizer", tmp_path / "out")
    weights, read = export.read_model(tmp_path / "out")
    assert read == shape
    model.load_state_dict(weights)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    assert AutoTokenizer.from_pretrained(tmp_path / "out").convert_tokens_to_ids(vocabulary.FILE) == 4
    tokens = torch.randint(0, 270, (2, length))
    with torch.no_grad():
        expected = theirs(tokens).logits
        got = model(tokens) @ model.head.t()
    torch.testing.assert_close(got, expected, atol=2e-5, rtol=1e-4)


def test_chunked_loss_and_gradients_equal_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "_ROWS", 16)
    hidden, head = torch.randn(50, 24, requires_grad=True), torch.randn(90, 24, requires_grad=True)
    targets, weights = torch.randint(0, 90, (50,)), torch.rand(50)
    got = loss.weighted_cross_entropy(hidden, head, targets, weights)
    got_gradients = torch.autograd.grad(got, [hidden, head])
    expected = (F.cross_entropy(hidden @ head.t(), targets, reduction="none") * weights).sum()
    torch.testing.assert_close(got, expected)
    for mine, theirs in zip(got_gradients, torch.autograd.grad(expected, [hidden, head]), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("size", [(40, 40), (40, 120), (120, 40)])
def test_orthogonal_updates_have_singular_values_near_one(size: tuple[int, int]) -> None:
    values = torch.linalg.svdvals(orthogonal(torch.randn(size)))
    # The iteration's fixed band, not exactly 1 (Jordan et al. 2024).
    assert values.max() < 1.3
    assert values.median() > 0.6


def test_a_few_steps_learn_a_repeated_sequence() -> None:
    shape = SHAPES[0]
    model, tokens = Llama(shape), torch.arange(40).repeat(4, 1)
    optimizers = Optimizers(model, matrix_rate=0.02, other_rate=3e-3)
    seen = []
    for _ in range(30):
        hidden = model(tokens[:, :-1]).reshape(-1, shape.hidden)
        value = loss.weighted_cross_entropy(
            hidden, model.head, tokens[:, 1:].reshape(-1), torch.ones(156) / 156
        )
        value.backward()  # type: ignore[no-untyped-call]
        optimizers.step(1.0)
        seen.append(float(value.detach()))
    assert seen[0] > 5
    assert seen[-1] < 1
