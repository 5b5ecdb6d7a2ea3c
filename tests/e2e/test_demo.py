"""The demo, and the examples that are agents."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.processes import PATIENCE, World
from support.voice import CutWire, voice_world

from agentfield import Client
from agentfield.simulator import Script

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples"


async def demo(folder: Path) -> tuple[int | None, Sequence[str], str]:
    """Run the demo of a folder; return its exit code, its lines and what it said on stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        folder / "demo.py",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    async with asyncio.timeout(2 * PATIENCE):
        out, err = await process.communicate()
    return process.returncode, out.decode().splitlines(), err.decode()


async def test_the_demo_shows_a_call_and_stops_cleanly() -> None:
    code, lines, err = await demo(EXAMPLES)

    assert code == 0, err
    assert err == ""
    said = [line.split(maxsplit=1) for line in lines if line.startswith(("  caller  ", "  agent"))]
    assert said == [
        ["caller", "Where is my hat?"],
        ["agent", "(handler)    I looked: it left the warehouse today."],
        ["caller", "And my lamp?"],
        ["agent", "(model)      Your lamp comes on Tuesday."],
    ]
    assert '     asked     {"turn": {"text": "And my lamp?"}}' in lines
    assert '     answered  {"spoken_response": "I looked: it comes on Tuesday."}' in lines
    assert any(line.startswith("  the agent speaks  ") for line in lines)
    tree = lines[lines.index("What ran") + 2 :][:5]
    assert [line.split("  succeeded  ")[0] for line in tree] == [
        "  support.voice",
        "  ├─ support.resolve_voice_turn",
        "  │  └─ orders.find",
        "  └─ support.resolve_voice_turn",
        "     └─ orders.find",
    ]
    assert sum("stopped with exit code 0" in line for line in lines) == 4
    assert not any("\033" in line for line in lines)


async def test_a_demo_that_fails_says_why_shows_the_logs_and_exits_with_1(tmp_path: Path) -> None:
    broken = tmp_path / "examples"
    shutil.copytree(EXAMPLES, broken)
    (broken / "voice_agent.py").write_text("raise SystemExit('no such microphone')")

    code, _, err = await demo(broken)

    assert code == 1
    assert "The demo failed: the support agent ended too early" in err
    assert "--- what the support agent printed ---\nno such microphone" in err
    assert "--- what the control plane printed ---" in err


async def test_a_client_over_plain_rest_sees_the_whole_log_over_a_lost_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with voice_world(tmp_path, Script(heard=["Where is my hat?"])) as voice:
        wire = CutWire(voice.http_address)
        await voice.server()
        agents = [
            await voice.processes.program(str(EXAMPLES / name))
            for name in ("orders_agent.py", "voice_agent.py")
        ]
        await voice.processes.until(
            lambda: all('"message":"connected"' in agent.log.read_text() for agent in agents)
        )
        async with wire.laid():
            monkeypatch.setenv("AGENTFIELD_URL", f"http://{wire.address}")
            client = await voice.processes.program(str(EXAMPLES / "rest_client.py"))
            lines = [await client.line()]
            while " session.ended " not in lines[-1]:
                if " session.live " in lines[-1]:
                    wire.cut()
                    wire.mend()
                lines.append(await client.line())
            assert await client.exit_code() == 0

    events = [line.split(maxsplit=2) for line in lines]
    logged = [int(number) for number, *_ in events if number != "0"]
    assert logged == list(range(1, len(logged) + 1))
    assert [type_ for _, type_, _ in events].count("watch.started") == 2
    assert '"reason": "client_hangup"' in lines[-1]
    assert client.log.read_text() == ""


async def test_the_researcher_and_the_writer_work_together(world: World, client: Client) -> None:
    await world.server()
    agents = [
        await world.program(str(EXAMPLES / name))
        for name in ("research_agent.py", "writer_agent.py")
    ]
    await world.until(
        lambda: all('"message":"connected"' in agent.log.read_text() for agent in agents)
    )
    question = {"text": "what lives in the garden?", "topics": ["bees", "owls", "moss"]}

    investigation = await client.submit("research.investigate", question=question)
    report = await investigation.result()

    assert report["title"] == "What lives in the garden?"
    assert report["paragraphs"][2] == "Moss: moss has no roots (p. 2)."
    workflow = await client.workflow(investigation.run_id)
    assert (workflow.total_executions, workflow.failed_executions) == (11, 0)
