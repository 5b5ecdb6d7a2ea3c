"""The commands of docs/openapi.md make clients that work, in a folder of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.generated import TOOLS
from support.processes import World

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/openapi.md").read_text()
NODE_MODULES = ROOT / "sdk/typescript/node_modules"


def blocks(language: str) -> list[str]:
    """Return what the document shows of a language."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, flags=re.DOTALL)


def run(commands: str, world: World, folder: Path) -> str:
    """Run a block of commands, and return what they printed."""
    path = os.pathsep.join(
        [str(TOOLS / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    done = subprocess.run(
        ["bash", "-euc", commands.replace("localhost:8080", world.http)],
        cwd=folder,
        env=os.environ | {"PATH": path, "AGENTFIELD_SERVER": f"http://{world.http}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
async def folder(world: World, tmp_path: Path) -> Path:
    """Start a server and its agent, and return a folder that sees our examples."""
    await world.server()
    agent = await world.program(str(ROOT / "examples/hello.py"))
    await world.until(lambda: '"message":"connected","node_id":"hello"' in agent.log.read_text())
    found = tmp_path / "client"
    found.mkdir()
    (found / "examples").symlink_to(ROOT / "examples")
    return found


def test_the_document_shows_the_files_that_are_run() -> None:
    files = ("openapi_client.py", "openapi_client.ts", "openapi_python_client.yaml")
    shown = [(ROOT / "examples" / name).read_text() for name in files]

    assert [*blocks("python"), *blocks("ts"), *blocks("yaml")] == shown


async def test_the_python_client_of_the_document(world: World, folder: Path) -> None:
    commands = blocks("sh")[0].replace(
        "openapi-python-client ", f"PYTHONPATH={TOOLS} openapi-python-client "
    )

    said = run(commands, world, folder).splitlines()

    assert said[-2] == "['Hello Ada!']"
    assert said[-1].startswith("True target 'nothing' not found")


async def test_the_typescript_client_of_the_document(world: World, folder: Path) -> None:
    if not NODE_MODULES.exists() and "CI" not in os.environ:
        pytest.skip("make stubs installs what it needs")
    example = (ROOT / "examples/openapi_client.ts").read_text()
    (folder / "openapi_client.ts").write_text(example.replace("localhost:8080", world.http))
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(NODE_MODULES)
    fetch = blocks("sh")[0].splitlines()[0]

    said = run(f"{fetch}\n{blocks('sh')[1]}", world, folder).splitlines()

    assert said[-2:] == ["[ 'Hello Ada!' ]", "404 true"]
