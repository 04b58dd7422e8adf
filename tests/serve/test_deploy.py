"""The files under deploy/ are well-formed, and name existing metrics and options."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from aix_lsp.commands.serve import command
from aix_lsp.engine.http.api import Service
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.state import Presence, StateBoard
from aix_lsp.serve.app import ServeMetrics

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_dashboard_uses_existing_metrics() -> None:
    service = Service(StateBoard({}), Presence(), EngineMetrics())
    ServeMetrics(service)
    known = {
        name for family in service.metrics.registry.collect() for name in _names(family.name, family.type)
    }
    dashboard = json.loads((DEPLOY / "grafana/dashboards/aix-lsp.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\baix_\w+", target["expr"])
    }
    assert len(asked) > 10 and asked <= known


def _names(name: str, kind: str) -> list[str]:
    return {"counter": [f"{name}_total"], "histogram": [f"{name}_bucket"]}.get(kind, [name])


def test_the_unit_and_the_compose_file_use_existing_options() -> None:
    unit = (DEPLOY / "aix-lsp.service").read_text().replace("\\\n", " ")
    [start] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    compose = (DEPLOY / "compose.yaml").read_text()
    [line] = re.findall(r"command: \[serve, (.*)\]", compose)
    options = [*shlex.split(start), *line.replace('"', "").split(", ")]
    shown = CliRunner().invoke(command, ["--help"]).output
    for option in options:
        assert not option.startswith("--") or option in shown
    assert "KillMode=mixed" in unit and "ExecReload=/bin/kill -HUP $MAINPID" in unit


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    unit = (DEPLOY / "aix-lsp.service").read_text()
    # systemd checks for the program, which is installed elsewhere here.
    (tmp_path / "aix-lsp.service").write_text(unit.replace("/opt/aix-lsp/bin/aix-lsp", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "aix-lsp.service")], capture_output=True, text=True
    )
    assert done.returncode == 0 and "aix-lsp.service" not in done.stderr, done.stderr


def test_the_container_starts_an_existing_command() -> None:
    lines = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    [entry], [given], [health] = (
        [json.loads(found) for found in re.findall(rf"^{instruction} +(\[.*\])$", lines, re.MULTILINE)]
        for instruction in ("ENTRYPOINT", "CMD", r"HEALTHCHECK .*\bCMD")
    )
    assert entry == ["aix-lsp"] and given[0] == "serve" and health[0] == "python"
    shown = CliRunner().invoke(command, ["--help"]).output
    assert all(option in shown for option in given if option.startswith("--"))
    compile(health[2], "health check", "exec")
