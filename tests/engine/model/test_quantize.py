"""Int8 projections against float ones: error, folded norms, biases, batches, and models of transformers."""

from __future__ import annotations

import pytest
import torch

from aix_lsp.engine.model.projection import FloatProjection, PackedBfloat16Projection, RmsNorm, packs_bfloat16
from aix_lsp.engine.model.quantize import (
    Int8Linear,
    PackedInt8Projection,
    PlainInt8Projection,
    int8_projection,
    quantize_linears,
    quantize_rows,
)
from tests.engine.families import build

KERNELS = [PlainInt8Projection]
if "fbgemm" in torch.backends.quantized.supported_engines:
    KERNELS.append(PackedInt8Projection)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def matrices(seed: int = 0, norm: bool = True, bias: bool = True):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(48, 64, generator=generator) * 0.05
    return (
        weight,
        torch.randn(48, generator=generator) if bias else None,
        RmsNorm(torch.rand(64, generator=generator) + 0.5, 1e-5) if norm else None,
    )


def rows(count: int, seed: int = 1) -> torch.Tensor:
    """Rows of very different sizes."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 64, generator=generator) * torch.logspace(-2, 2, count)[:, None]


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The worst row's relative error."""
    return float(((found - expected).norm(dim=-1) / expected.norm(dim=-1)).max())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("count", [1, 2, 7, 33])
def test_error_of_each_row_is_small(kernel, norm, bias, count):
    parts = matrices(norm=norm, bias=bias)
    expected = FloatProjection(*parts)(rows(count))
    project = kernel(*parts)
    assert error(project(rows(count)), expected) < 0.02
    out = torch.empty(count, 48)
    assert project(rows(count), out) is out
    assert error(out, expected) < 0.02


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_row_hardly_depends_on_its_neighbours(kernel):
    """Far less than int8 errs anyway: or batching would change what a request gets."""
    project = kernel(*matrices())
    together = project(rows(9)).clone()
    alone = torch.cat([project(one[None]).clone() for one in rows(9)])
    assert error(together, alone) < 0.012


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("count", [1, 3])
def test_zeros_stay_zero(kernel, count):
    for norm in (False, True):
        weight, _, normed = matrices(norm=norm)
        found = kernel(weight, None, normed)(torch.zeros(count, 64))
        assert bool((found == 0).all())


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_overflow_at_the_largest_codes(kernel):
    """Without VNNI, sums of two products overflow 16 bits unless activations take 7 bits."""
    weight = torch.ones(48, 64)
    found = int8_projection(weight, cached=kernel is PlainInt8Projection)(torch.ones(2, 64))
    torch.testing.assert_close(found, torch.full((2, 48), 64.0), rtol=0.02, atol=0)


def test_codes_and_scales():
    weight = torch.randn(5, 7)
    weight[2] = 0
    codes, scales = quantize_rows(weight)
    assert codes.dtype is torch.int8 and int(codes.abs().max()) <= 127
    assert bool(((codes * scales[:, None] - weight).abs() <= scales[:, None] / 2 + 1e-7).all())


@pytest.mark.skipif(not packs_bfloat16(), reason="this torch packs no bfloat16 weights")
@pytest.mark.parametrize("count", [1, 5])
def test_packed_bfloat16(count):
    weight, bias, norm = matrices()
    assert bias is not None and norm is not None
    plain = FloatProjection(weight.bfloat16(), bias.bfloat16(), RmsNorm(norm.weight.bfloat16(), norm.eps))
    expected = plain(rows(count).bfloat16()).float()
    packed = PackedBfloat16Projection(plain)
    assert error(packed(rows(count).bfloat16()).float(), expected) < 0.01
    out = torch.empty(count, 48)
    assert error(packed(rows(count).bfloat16(), out), expected) < 0.01


def test_linears_of_a_model_are_replaced():
    model = build("starcoder2")
    ids = torch.arange(5, 25)[None]
    with torch.inference_mode():
        expected = model(input_ids=ids).logits
        quantize_linears(model)
        found = model(input_ids=ids).logits
    assert not any(type(module) is torch.nn.Linear for module in model.modules())
    assert sum(isinstance(module, Int8Linear) for module in model.modules()) == 3 * 6 + 1
    assert float((found - expected).norm() / expected.norm()) < 0.15


def test_a_replaced_linear_keeps_dtype_shape_and_results():
    linear = torch.nn.Linear(64, 48)
    replaced = Int8Linear(linear, cached=True)
    with torch.inference_mode():
        first = replaced(rows(1).bfloat16()[None])
        again = first.clone()
        replaced(rows(1, seed=5).bfloat16()[None])
    assert first.shape == (1, 1, 48) and first.dtype is torch.bfloat16
    assert torch.equal(first, again)
    assert replaced(torch.empty(2, 0, 64)).shape == (2, 0, 48)
