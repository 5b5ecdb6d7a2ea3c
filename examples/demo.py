"""A nested workflow across two agents, from start to clean stop: ``python examples/demo.py``."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agentfield import Client
from agentfield_cli.tree import Branch, draw
from agentfield_sdk import Workflow

EXAMPLES = Path(__file__).parent
PATIENCE = 8.0
QUESTION = {"text": "what lives in the garden?", "topics": ["bees", "owls", "moss"]}


@asynccontextmanager
async def program(
    name: str, *arguments: str | Path, logs: Path, **environment: str
) -> AsyncIterator[Process]:
    """Run a Python program and stop it at the end; show its log if anything goes wrong."""
    log = logs / f"{name}.log"
    with log.open("w") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=PIPE, stderr=stderr, env=os.environ | environment
        )
    try:
        yield process
        await stop(name, process)
    except BaseException:
        print(log.read_text(), file=sys.stderr)
        raise
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def stop(name: str, process: Process) -> None:
    """Stop a program and insist that it exits with 0."""
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        code = await process.wait()
    print(f"  {name} stopped with exit code {code}")
    if code != 0:
        raise RuntimeError(f"{name} exited with {code}")


async def address_of(server: Process) -> str:
    """Wait for the control plane's one line, and return where it listens."""
    if server.stdout is None:
        raise RuntimeError("the control plane has no output")
    async with asyncio.timeout(PATIENCE):
        line = await server.stdout.readline()
    return str(json.loads(line)["grpc"])


async def until_connected(client: Client, *node_ids: str) -> None:
    """Wait until every node has a connected worker."""
    async with asyncio.timeout(PATIENCE):
        # No rpc waits for a node, so this asks again and again.
        while not {n.node_id for n in await client.nodes() if n.connected} >= set(node_ids):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def show(workflow: Workflow) -> None:
    """Print the executions of a workflow as a tree."""
    branches = [
        Branch(
            execution_id=execution.execution_id,
            parent=execution.parent_execution_id,
            target=execution.target,
            status=execution.status,
            duration_ms=execution.duration_ms,
        )
        for execution in workflow.executions
    ]
    for line in draw(branches):
        print(f"  {line}")


async def converse(server: str) -> None:
    """Run the workflow and print what came of it."""
    async with Client(server) as client:
        await until_connected(client, "research", "writer")
        print("Both agents are connected. Asking the researcher ...\n")
        investigation = await client.submit("research.investigate", question=QUESTION)
        report = await investigation.result()
        print(f"  {report['title']}")
        for paragraph in report["paragraphs"]:
            print(f"  - {paragraph}")
        workflow = await client.workflow(investigation.run_id)
        print(f"\nThe workflow had {workflow.total_executions} executions:\n")
        show(workflow)
        if workflow.status != "succeeded" or workflow.failed_executions:
            raise RuntimeError(f"the workflow is {workflow.status}")


async def main() -> None:
    """Start everything, use it, and stop it."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder)
        flags = ["--grpc-bind", "127.0.0.1:0", "--http-bind", "127.0.0.1:0"]
        async with program(
            "control plane", "-m", "agentfield", *flags, "--data-dir", logs / "data", logs=logs
        ) as plane:
            address = await address_of(plane)
            print(f"The control plane listens on {address}.")
            agent = {"AGENTFIELD_GRPC": address}
            async with (
                program("research agent", EXAMPLES / "research_agent.py", logs=logs, **agent),
                program("writer agent", EXAMPLES / "writer_agent.py", logs=logs, **agent),
            ):
                await converse(address)
                print("\nStopping:")
    print("Done.")


if __name__ == "__main__":
    asyncio.run(main())
