"""The commands of the documents do what these say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import sys
import zipfile
from pathlib import Path

import aiohttp
import pytest
from support.processes import World
from support.voice import voice_world

from agentfield.simulator import Script

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


async def run(*command: str, cwd: Path = ROOT, **environment: str) -> str:
    """Run a command to its successful end and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


def command_of(program: str) -> list[str]:
    """Return the README's line that starts with a program, as words."""
    line = re.search(rf"^{program} .*$", README, re.MULTILINE)
    assert line is not None
    return shlex.split(line.group())


def python_of(document: str) -> list[str]:
    """Return the Python that a document shows."""
    text = (ROOT / document).read_text()
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


async def test_the_first_call_of_the_readme(world: World) -> None:
    await world.server()
    agent = await world.program(str(ROOT / "examples/hello.py"))
    await world.until(lambda: '"message":"connected","node_id":"hello"' in agent.log.read_text())
    af = str(Path(sys.executable).parent / "af")

    answer = json.loads(
        await run(af, *command_of("af execution run")[1:], AGENTFIELD_GRPC=world.grpc)
    )

    assert answer["result"] == ["Hello Ada!", "Hello Grace!"]
    assert next(iter(answer)) == "execution_id"
    dag = await run(
        af, "execution", "show", answer["execution_id"], "--dag", AGENTFIELD_GRPC=world.grpc
    )
    assert [word for word in dag.split() if "." in word] == ["hello.greet_all"] + [
        "hello.greet"
    ] * 2
    *_, url, _, body = command_of("curl")
    async with (
        aiohttp.ClientSession() as http,
        http.post(url.replace("localhost:8080", world.http), data=body) as response,
    ):
        assert (await response.json())["result"] == ["Hello Ada!"]
    client = await run(
        sys.executable, str(ROOT / "examples/hello_client.py"), AGENTFIELD_GRPC=world.grpc
    )
    assert client.splitlines()[0] == "['Hello Ada!']"
    assert client.splitlines()[-2:] == ["['Hello Ada!', 'Hello Grace!']", "3"]


async def test_the_wheel_holds_our_four_packages_and_a_small_install_is_an_agents(
    tmp_path: Path,
) -> None:
    await run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"agentfield", "agentfield_gateway", "agentfield_cli", "agentfield_sdk"}
    assert "agentfield/store/migrations/0001_first.sql" in names
    assert "agentfield_gateway/console/index.html" in names
    # What the server, the gateway and the CLI need is not imported by an agent.
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from agentfield import Agent, Client\n"
        "assert Agent.__module__.startswith('agentfield_sdk')\n"
        "heavy = {'aiohttp', 'grpc_interceptor', 'prometheus_client', 'typer', 'rich', 'yaml'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    await run(sys.executable, "-P", "-c", script, str(wheel), cwd=tmp_path)


async def test_the_test_of_a_voice_agent_is_short_and_passes() -> None:
    test = ROOT / "examples/test_voice_agent.py"
    blocks = python_of("docs/testing.md")

    names = ("test_voice_agent.py", "test_greeting.py", "test_browser_call.py")
    assert blocks == [test.with_name(name).read_text() for name in names]
    for shown in blocks[:2]:
        assert len([line for line in shown.splitlines() if line.strip()]) <= 20
    # As in a project of its own: none of our settings, and no key.
    settings = ["-c", os.devnull, "--rootdir", str(test.parent), "-p", "no:cacheprovider"]
    loops = "asyncio_default_fixture_loop_scope=function"
    tests = [str(test.with_name(name)) for name in names]
    out = await run(
        *(sys.executable, "-m", "pytest", "-q", *settings, "-o", loops, *tests), cwd=test.parent
    )
    assert "3 passed" in out


async def test_the_command_that_tests_the_voice_agent_runs_from_the_root() -> None:
    (command,) = re.findall(r"^pytest .*$", (ROOT / "docs/testing.md").read_text(), re.MULTILINE)
    program, *arguments = shlex.split(command)

    out = await run(str(Path(sys.executable).with_name(program)), *arguments)

    assert "1 passed" in out


async def test_the_caller_of_the_simulators_document_places_a_call_by_hand(tmp_path: Path) -> None:
    by_hand = python_of("docs/simulator.md")[1]
    async with voice_world(tmp_path, Script(heard=["Where is my hat?"])) as voice:
        await voice.server()
        world = voice.processes
        agents = [
            await world.program(str(ROOT / "examples" / name))
            for name in ("orders_agent.py", "voice_agent.py")
        ]
        await world.until(
            lambda: all('"message":"connected"' in agent.log.read_text() for agent in agents)
        )
        _, started, _ = await voice.af("session", "start", "support.voice")
        session_id = json.loads(started)["session_id"]

        call = await world.program("-c", by_hand, session_id)

        while " agent.heard " not in (line := await call.line()):
            pass
        assert "I looked: it left the warehouse today." in line
        await voice.af("session", "end", session_id)
        assert await call.exit_code() == 0
