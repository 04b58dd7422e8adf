"""The runner's contract: chunks, shared and copied pages, drafts, aborting, running out of memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from aix_lsp.engine.model.kv import KvPool, LayerShape
from aix_lsp.engine.model.plan import DevicePlan
from aix_lsp.engine.model.runner import TorchRunner
from aix_lsp.engine.step import OutOfMemory, Row, Runner
from tests.engine.families import VOCAB, assemble, build
from tests.engine.model.steps import stepped

CPU = torch.device("cpu")
PAGE = 4
PROMPT = tuple(torch.randint(3, VOCAB, (23,), generator=torch.Generator().manual_seed(0)).tolist())


@pytest.fixture(scope="module", params=["lean", "generic"])
def runner(request: pytest.FixtureRequest) -> Runner:
    torch.set_num_threads(1)
    found = assemble(build("qwen2-window"), "float32", 128, request.param == "lean")
    pool = KvPool(found.shapes, 40, PAGE, found.cache_dtype, CPU)
    return TorchRunner(found.forward, pool, found.vocab_size, 128)


def tops(runner: Runner, row: Row) -> list[tuple[int, float]]:
    row.top_logprobs = 5
    [sampled] = stepped(runner, [row])
    return [pair for one in sampled for pair in one.top]


def assert_close(found: Sequence[tuple[int, float]], expected: list[tuple[int, float]]) -> None:
    assert [token for token, _ in found] == [token for token, _ in expected]
    assert [value for _, value in found] == pytest.approx([value for _, value in expected], abs=1e-4)


@pytest.fixture
def expected(runner: Runner) -> list[tuple[int, float]]:
    """The most likely tokens after the prompt, computed in one step."""
    return tops(runner, Row(PROMPT, 0, range(30, 36)))


@pytest.mark.parametrize("chunks", [(23,), (1,) * 23, (5, 1, 12, 4, 1), (16, 7)])
@pytest.mark.parametrize("pages", [(0, 1, 2, 3, 4, 5), (9, 3, 12, 7, 1, 20)])
def test_chunks_and_page_tables_do_not_matter(
    runner: Runner, expected: list[tuple[int, float]], chunks: tuple[int, ...], pages: tuple[int, ...]
) -> None:
    start = 0
    for size in chunks[:-1]:
        assert runner.step([Row(PROMPT[start : start + size], start, pages, outputs=0)]) == [[]]
        start += size
    assert_close(tops(runner, Row(PROMPT[start:], start, pages)), expected)


def test_two_rows_share_the_pages_of_their_common_head(
    runner: Runner, expected: list[tuple[int, float]]
) -> None:
    head = (0, 1, 2, 3)
    runner.step([Row(PROMPT[:16], 0, head, outputs=0)])
    rows = [Row(PROMPT[16:], 16, (*head, 4, 5), top_logprobs=5), Row(PROMPT[16:20], 16, (*head, 6))]
    assert_close(stepped(runner, rows)[0][0].top, expected)
    assert_close(tops(runner, Row(PROMPT[20:], 20, (*head, 6, 7))), expected)


def test_a_copied_page_can_be_continued_while_the_first_is_overwritten(
    runner: Runner, expected: list[tuple[int, float]]
) -> None:
    runner.step([Row(PROMPT[:18], 0, range(5), outputs=0)])
    runner.copy_page(4, 9, 2)
    runner.step([Row((5, 6, 7), 18, range(6), outputs=0)])
    assert_close(tops(runner, Row(PROMPT[18:], 18, (0, 1, 2, 3, 9, 10))), expected)


def test_copying_leaves_the_rest_of_the_target(runner: Runner, expected: list[tuple[int, float]]) -> None:
    """Only the first tokens of a page are copied."""
    runner.step([Row(PROMPT[:12], 0, (0, 1, 2), outputs=0)])
    runner.step([Row((5, 6), 0, (3,), outputs=0)])
    runner.copy_page(3, 2, 0)
    assert_close(tops(runner, Row(PROMPT[12:], 12, (0, 1, 2, 4, 5, 6))), expected)


def test_drafts_are_sampled_as_if_decoded_one_by_one(runner: Runner) -> None:
    """The last positions of a chunk give the same tokens as single steps, also for several rows at once."""
    pages = range(10)
    tokens, single = list(PROMPT), []
    start = 0
    for _ in range(4):
        [[one]] = stepped(runner, [Row(tokens[start:], start, pages)])
        start = len(tokens)
        tokens.append(one.token)
        single.append(one)
    drafted = Row(tokens[22:26], 22, pages, outputs=4)
    other = Row(PROMPT, 0, range(20, 30), outputs=2)
    [_, last], together = stepped(runner, [other, drafted])
    assert [one.token for one in together] == [one.token for one in single]
    assert [one.logprob for one in together] == pytest.approx([one.logprob for one in single], abs=1e-4)
    assert last.token == single[0].token


def test_steps_of_many_rows(runner: Runner) -> None:
    """More rows than the prepared workspaces hold, decoding side by side."""
    count = 36
    prompts = [[(7 * at + 3) % VOCAB, (11 * at + 5) % VOCAB] for at in range(count)]
    alone = []
    for prompt in prompts:
        runner.step([Row(prompt[:1], 0, (39,), outputs=0)])
        alone.append(stepped(runner, [Row(prompt[1:], 1, (39,))])[0][0])
    runner.step([Row(prompt[:1], 0, (at,), outputs=0) for at, prompt in enumerate(prompts)])
    together = stepped(runner, [Row(prompt[1:], 1, (at,)) for at, prompt in enumerate(prompts)])
    assert [found[0].token for found in together] == [found.token for found in alone]


def test_an_aborted_step_gives_nothing_and_harms_nothing(
    runner: Runner, expected: list[tuple[int, float]]
) -> None:
    pages = range(6)
    runner.step([Row(PROMPT[:14], 0, pages, outputs=0)])
    asked = 0

    def abort() -> bool:
        nonlocal asked
        asked += 1
        return asked == 2

    assert runner.step([Row((9,) * 9, 14, pages)], abort) is None
    assert asked == 2
    assert_close(tops(runner, Row(PROMPT[14:], 14, pages)), expected)


def test_abort_is_checked_between_layers(runner: Runner) -> None:
    asked = 0

    def abort() -> bool:
        nonlocal asked
        asked += 1
        return False

    assert runner.step([Row(PROMPT, 0, range(6))], abort) is not None
    assert asked >= 2


def raise_memory_error(plan: DevicePlan) -> torch.Tensor:
    raise MemoryError


def exhaust_memory(plan: DevicePlan) -> torch.Tensor:
    return torch.empty(1 << 50)


def exhaust_device(plan: DevicePlan) -> torch.Tensor:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("forward", [raise_memory_error, exhaust_memory, exhaust_device])
def test_memory_running_out(forward: Callable[[DevicePlan], torch.Tensor]) -> None:
    pool = KvPool({0: LayerShape(1, 2, 2)}, 4, PAGE, torch.float32, CPU)
    with pytest.raises(OutOfMemory):
        TorchRunner(forward, pool, VOCAB, 16).step([Row((1,), 0, (0,))])


def test_other_errors_pass(runner: Runner) -> None:
    with pytest.raises((IndexError, RuntimeError)):
        runner.step([Row((VOCAB + 5,), 0, (0,))])
    assert runner.step([Row(PROMPT, 0, range(6))]) is not None
