"""The cluster's decisions, without running Ray: which replica, how many, and the sums of their metrics."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.cluster.scaling import wanted
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.serve.worker import ServeError
from tests.cluster import NEEDS_RAY

pytestmark = NEEDS_RAY


@pytest.mark.parametrize(
    ("in_flight", "order"),
    [
        ((0, 0, 0), "abc"),
        ((7, 0, 0), "abc"),  # for a few requests, a cold prompt does not pay
        ((8, 0, 0), "bca"),
        ((20, 20, 20), "abc"),  # as busy as all others
        ((40, 10, 12), "bca"),
        ((40, 41, 0), "acb"),
        ((60, 60, 0), "abc"),
        ((61, 60, 0), "bca"),
    ],
)
def test_an_overloaded_replica_sheds_load_along_the_ring(in_flight: tuple[int, ...], order: str) -> None:
    from aix_lsp.cluster.routing import within_bound

    known = dict(zip("abc", in_flight, strict=True))
    assert "".join(within_bound("abc", known, 0.5, 8)) == order


@given(st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_no_replica_is_left_out_and_the_first_is_within_the_bound(in_flight: list[int]) -> None:
    from aix_lsp.cluster.routing import within_bound

    known = dict(enumerate(in_flight))
    order = within_bound(list(known), known, 0.5, 8)
    assert sorted(order) == list(known)
    assert known[order[0]] < max(8, math.ceil(1.5 * (sum(in_flight) + 1) / len(in_flight)))


@pytest.mark.parametrize(
    ("now", "in_flight", "first_text_ms", "replicas"),
    [
        (1, 0.0, 0.0, 1),
        (1, 4.0, 50.0, 1),
        (1, 4.1, 50.0, 2),
        (1, 11.0, 50.0, 3),
        (2, 3.0, 500.0, 3),  # few requests, but late
        (3, 0.0, 500.0, 1),  # the slow requests are over
        (3, 7.0, 50.0, 3),  # two would be at the limit right away
        (3, 5.9, 50.0, 2),
    ],
)
def test_how_many_replicas(now: int, in_flight: float, first_text_ms: float, replicas: int) -> None:
    assert wanted(now, in_flight, 4.0, first_text_ms, 300.0) == replicas


@given(st.integers(1, 8), st.floats(0, 40))
def test_a_steady_load_settles_on_a_number_of_replicas(now: int, in_flight: float) -> None:
    seen = [now]
    for _ in range(10):
        seen.append(wanted(seen[-1], in_flight, 4.0, 50.0, 300.0))
    assert len(set(seen[2:])) == 1


def test_first_texts_since_the_last_reading() -> None:
    from aix_lsp.cluster.replica import FirstTexts

    metrics = EngineMetrics()
    texts = FirstTexts(metrics)
    assert texts.late_ms() == 0.0
    for _ in range(10):
        metrics.time_to_first_token_seconds.observe(0.3)
    assert texts.late_ms() == 500.0 and texts.late_ms() == 0.0
    metrics.time_to_first_token_seconds.observe(99.0)
    assert texts.late_ms() == 5000.0


def test_metrics_of_replicas_are_summed() -> None:
    from aix_lsp.cluster.replica import added

    one = {
        "time": 5.0,
        "started": 2.0,
        "state": {"state": "ready"},
        "samples": {"x": [[{"user": "ann"}, 1.0]]},
    }
    two = {
        "time": 6.0,
        "started": 1.0,
        "state": {"state": "ready"},
        "samples": {"x": [[{"user": "ann"}, 2.0], [{"user": "bob"}, 4.0]], "y": [[{}, 1.0]]},
    }
    assert added([one, two]) == {
        "time": 6.0,
        "started": 1.0,
        "state": {"state": "ready"},
        "replicas": 2,
        "samples": {"x": [[{"user": "ann"}, 3.0], [{"user": "bob"}, 4.0]], "y": [[{}, 1.0]]},
    }


@pytest.mark.parametrize(
    "args", [{}, {"serve": {"users": "u"}}, {"serve": {"users": "u", "usage": "v"}, "engine": {"colour": 1}}]
)
def test_a_wrong_deployment_file(args: dict[str, object]) -> None:
    from aix_lsp.cluster.app import build

    with pytest.raises(ServeError, match="args are invalid"):
        build(args)


@pytest.mark.parametrize("name", ["serve.yaml", "serve-vllm.yaml"])
def test_ray_accepts_the_files_for_several_machines(name: str) -> None:
    from ray.serve import Application
    from ray.serve.schema import ServeDeploySchema

    from aix_lsp.cluster.app import build

    yaml = pytest.importorskip("yaml")
    content = yaml.safe_load((Path(__file__).parents[2] / "deploy" / name).read_text())
    read = ServeDeploySchema.model_validate(content)
    names = [application.route_prefix for application in read.applications]
    assert names[0] == "/" and len(set(names)) == len(names)
    for application in read.applications:
        if application.import_path == "aix_lsp.cluster.app:build":
            assert isinstance(build(application.args), Application)
