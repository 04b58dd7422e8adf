"""Every kernel compared with float: error, folded norms, biases, batches, outliers. The tests run on any CPU, so a
kernel may be wrong here, but must not be chosen then."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from aix_lsp.engine.model import kernels
from aix_lsp.engine.model.kernel_choice import MOST_ERROR, KernelChoice, candidates, measure
from aix_lsp.engine.model.kernels import KERNELS, Bfloat16Projection, Kernel, packs_bfloat16
from aix_lsp.engine.model.projection import FloatProjection, Project, RmsNorm
from aix_lsp.engine.model.quantize import EXTRA, KEPT_ROWS, Int8Weight, TwoRows


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def matrices(seed: int = 0, norm: bool = True, bias: bool = True) -> FloatProjection:
    generator = torch.Generator().manual_seed(seed)
    return FloatProjection(
        torch.randn(48, 64, generator=generator) * 0.05,
        torch.randn(48, generator=generator) if bias else None,
        RmsNorm(torch.rand(64, generator=generator) + 0.5, 1e-5) if norm else None,
    )


def rows(count: int, seed: int = 1) -> torch.Tensor:
    """Rows of very different magnitudes, with one column a hundred times the others, as in trained models."""
    generator = torch.Generator().manual_seed(seed)
    found = torch.randn(count, 64, generator=generator) * torch.logspace(-2, 2, count)[:, None]
    found[:, 5] *= 100.0
    return found


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The worst row's relative error."""
    return float(((found - expected).norm(dim=-1) / expected.norm(dim=-1)).max())


def seen(plain: FloatProjection) -> FloatProjection:
    plain.seen = torch.zeros(plain.weight.shape[1])
    plain(rows(16, seed=7))
    return plain


def right(kernels: list[Kernel]) -> dict[str, float]:
    """The kernels that run and are right on this CPU, judged on other weights, with their errors."""
    return {one.name: one.error for one in measure([seen(matrices(seed=9))], kernels) if one.right}


HERE = right(list(KERNELS.values()))


def made(name: str, plain: FloatProjection) -> Project:
    return KernelChoice(name, name, 8).make(plain, Int8Weight.of(plain))


def test_float32_and_some_int8_kernel_are_right_on_every_cpu() -> None:
    assert "float32" in HERE
    assert any(KERNELS[name].int8 for name in HERE)
    has_mkldnn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    assert not has_mkldnn or "int8 int_mm" in HERE


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("count", [1, 2, 7, 33])
def test_error_of_each_row_is_small(name: str, norm: bool, bias: bool, count: int) -> None:
    plain = seen(matrices(norm=norm, bias=bias))
    expected = FloatProjection(plain.weight, plain.bias, plain.norm)(rows(count))
    project = made(name, plain)
    assert error(project(rows(count)), expected) < 0.01
    out = torch.empty(count, 48)
    assert project(rows(count), out) is out
    assert error(out, expected) < 0.01
    onto = torch.ones(count, 48)
    project.add(rows(count), onto)
    assert error(onto - 1.0, expected) < 0.01


@pytest.mark.parametrize("name", [name for name in HERE if KERNELS[name].int8])
def test_a_row_hardly_depends_on_its_neighbours(name: str) -> None:
    """Far less than int8's own error; otherwise batching would change a request's result."""
    project = made(name, matrices())
    together = project(rows(9)).clone()
    alone = torch.cat([project(one[None]).clone() for one in rows(9)])
    assert error(together, alone) < 2e-3


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("count", [1, 3])
def test_zeros_stay_zero(name: str, count: int) -> None:
    for norm in (False, True):
        found = made(name, matrices(norm=norm, bias=False))(torch.zeros(count, 64))
        assert bool((found == 0).all())


@pytest.mark.parametrize("name", HERE)
def test_no_overflow_at_the_largest_codes(name: str) -> None:
    """Without VNNI, sums of two products overflow 16 bits unless activations are limited to 7 bits."""
    found = made(name, FloatProjection(torch.ones(48, 64)))(torch.ones(2, 64))
    torch.testing.assert_close(found, torch.full((2, 48), 64.0), rtol=0.005, atol=0)


@pytest.mark.parametrize("name", [name for name in HERE if KERNELS[name].int8])
@pytest.mark.parametrize("count", [1, 5, 9])
def test_codes_may_lie_anywhere_in_memory(name: str, count: int) -> None:
    """As in a memory-mapped file: `_weight_int8pack_mm` crashes if they are not aligned."""
    plain = matrices()
    weight = Int8Weight.of(plain)
    memory = torch.empty(weight.codes.numel() + 64, dtype=torch.int8)
    shift = (8 - memory.data_ptr()) % 64
    codes = memory[shift : shift + weight.codes.numel()].view(weight.codes.shape).copy_(weight.codes)
    assert codes.data_ptr() % 64 == 8
    project = KernelChoice(name, name, 8).make(plain, dataclasses.replace(weight, codes=codes))
    assert error(project(rows(count)), plain(rows(count))) < 0.01


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("count", [1, 3, KEPT_ROWS + 1])
def test_packing_in_pieces_changes_no_bit(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, given = seen(matrices()), rows(count)
    found = []
    for rows_at_once in (48, 20):
        monkeypatch.setattr(kernels, "_PIECE", rows_at_once)
        project, onto = made(name, plain), torch.ones(count, 48)
        project.add(given, onto)
        found.append((project(given), onto))
    assert all(map(torch.equal, *found))


def test_codes_and_scales() -> None:
    weight = torch.randn(5, 70)
    weight[2] = 0
    made = Int8Weight.of(FloatProjection(weight))
    assert made.codes.dtype is torch.int8 and int(made.codes.abs().max()) <= 127
    assert made.codes.shape == (5, 128) and bool((made.codes[:, 70 + EXTRA :] == 0).all())
    assert bool(((made.weight() - weight).abs() <= made.scales[:, None] / 2 + 1e-7).all())


def test_the_columns_with_the_largest_inputs_are_the_finest() -> None:
    plain = seen(matrices(norm=False))
    made = Int8Weight.of(plain)
    assert 5 in made.outliers.tolist()
    left = (made.weight() - plain.weight).abs() / made.scales[:, None]
    fine = left[:, made.outliers]
    others = torch.ones(64, dtype=torch.bool)
    others[made.outliers] = False
    assert float(fine.max()) < 0.01 < 0.3 < float(left[:, others].max())


@pytest.mark.parametrize("most", [127, 63])
@pytest.mark.parametrize("count", [1, 4, 12])
def test_both_rows_add_up_to_the_input(most: int, count: int) -> None:
    """Within half a fine step of the largest: 13 bits, or 12 if codes have 7 bits."""
    weight = Int8Weight.of(matrices(norm=False))
    given = rows(count)
    codes = TwoRows(weight, most).codes(given)
    assert float(codes.both.abs().max()) == most + 1.0
    coarse, fine = codes.both.round().chunk(2)
    few = count <= KEPT_ROWS
    worth = torch.tensor(codes.coarse_worth.copy())[:, None] if few else codes.worth
    found = (coarse + fine / 126.0)[:, :64] * worth
    step = given.abs().amax(-1, keepdim=True) / most / 126.0
    assert bool(((found - given).abs() <= 0.51 * step).all())


@pytest.mark.skipif(not packs_bfloat16(), reason="this CPU packs no bfloat16 weights")
@pytest.mark.parametrize("count", [1, 5])
def test_packed_bfloat16(count: int) -> None:
    plain = matrices()
    assert plain.bias is not None and plain.norm is not None
    short = FloatProjection(
        plain.weight.bfloat16(), plain.bias.bfloat16(), RmsNorm(plain.norm.weight.bfloat16(), plain.norm.eps)
    )
    expected = short(rows(count).bfloat16()).float()
    packed = Bfloat16Projection(short)
    assert error(packed(rows(count).bfloat16()).float(), expected) < 0.01
    out = torch.empty(count, 48)
    assert error(packed(rows(count).bfloat16(), out), expected) < 0.01


def test_no_kernel_that_is_wrong_here_remains() -> None:
    assert all(one < MOST_ERROR for one in HERE.values())
    assert {kernel.dtype for kernel in candidates("int8")} == {"int8"}
    assert candidates("auto", KERNELS) == []
