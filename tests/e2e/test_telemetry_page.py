"""docs/telemetry.md says what the processes tell: all of it, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest
from support.processes import World

from agentfield import telemetry
from agentfield_gateway import operations

pytestmark = pytest.mark.e2e

PAGE = (Path(__file__).parents[2] / "docs/telemetry.md").read_text()
ROW = re.compile(r"\| `(agentfield_\w+)` \| (\w+) \| (.*?) ?\| (.+?) \|")


def listed(heading: str) -> set[tuple[str, str, str]]:
    """Return name, kind and text of the metrics in the table below a line."""
    table = PAGE.partition(f"\n{heading}\n")[2].strip().partition("\n\n")[0]
    return {(row[1], row[2], row[4]) for row in ROW.finditer(table)}


async def told(address: str) -> set[tuple[str, str, str]]:
    """Return name, kind and text of what a process exposes of ours."""
    async with aiohttp.ClientSession() as http, http.get(f"http://{address}/metrics") as answer:
        text = await answer.text()
    kinds = dict(re.findall(r"^# TYPE (agentfield_\w+) (\w+)$", text, re.MULTILINE))
    texts = dict(re.findall(r"^# HELP (agentfield_\w+) (.+)$", text, re.MULTILINE))
    # When something was counted first is told beside each.
    names = {name for name in kinds if not name.endswith("_created")}
    return {(name, kinds[name], texts[name]) for name in names}


async def test_it_lists_every_metric_of_every_process(world: World) -> None:
    metrics = f"127.0.0.1:{world.port()}"
    await world.server("--http-bind=none", f"--metrics-bind={metrics}")
    await world.gateway()
    server, gateway = listed("Of the control plane:"), listed("Of a gateway:")
    assert await told(metrics) == server
    assert await told(world.http) == gateway


async def test_a_gateway_in_the_servers_process_tells_of_both(world: World) -> None:
    await world.server()
    server, gateway = listed("Of the control plane:"), listed("Of a gateway:")
    assert await told(world.http) == server | gateway


def test_it_names_the_labels() -> None:
    found = {
        f"{metric._name}{'_total' if metric._type == 'counter' else ''}": metric._labelnames
        for module in (telemetry, operations)
        for metric in vars(module).values()
        if hasattr(metric, "_labelnames")
    }
    rows = {row[1]: tuple(re.findall(r"`(\w+)`", row[3])) for row in ROW.finditer(PAGE)}
    assert rows == found
