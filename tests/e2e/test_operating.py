"""The commands of docs/operating.md do what it says, from the first to the last."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ports import held_port

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/operating.md").read_text()
TELEMETRY = (ROOT / "docs/telemetry.md").read_text()
LEAVE = "trap 'kill $(jobs -p); wait' EXIT\n"


@pytest.fixture
def ports() -> Iterator[dict[str, int]]:
    """Return what to use in place of the ports that the guide shows."""
    with held_port() as grpc, held_port() as http:
        yield {"8180": grpc, "8080": http}


async def test_the_commands_of_the_guide(tmp_path: Path, ports: dict[str, int]) -> None:
    commands = "".join(re.findall(r"```sh\n(.*?)```", DOCUMENT, flags=re.DOTALL))
    for shown, port in ports.items():
        commands = commands.replace(f"localhost:{shown}", f"localhost:{port}")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = {name: text for name, text in os.environ.items() if "AGENTFIELD" not in name} | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "AGENTFIELD_GRPC_BIND": f"127.0.0.1:{ports['8180']}",
        "AGENTFIELD_HTTP_BIND": f"127.0.0.1:{ports['8080']}",
    }
    log = tmp_path / "log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", LEAVE + commands),
            cwd=tmp_path,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
        async with asyncio.timeout(100):
            printed, _ = await process.communicate()

    said = printed.decode()
    assert process.returncode == 0, said + log.read_text()
    assert said.count('"event": "ready"') == 3
    assert said.count('"result":["Hello Ada!"]') == 2  # by af, and by curl
    assert re.search(r"\bok\n", said)  # the copy of the database
    (listed,) = re.findall(r'\{"executions":.*', said)
    assert listed.count('"target":"hello.greet"') == 2


def test_every_metric_of_the_guide_is_one_that_there_is() -> None:
    named = re.findall(r"agentfield_\w+", DOCUMENT)
    told = set(re.findall(r"`(agentfield_\w+)`", TELEMETRY))

    assert len(named) > 10
    assert {name.removesuffix("_bucket") for name in named} <= told
