"""A caller as it was written before: with the client of the existing SDK.

It is run by ``.venv/existing/bin/python``, where ``agentfield`` is that SDK, and prints a line of JSON
for each thing it does.
"""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from agentfield.client import AgentFieldClient, ExecuteError


def tell(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")


async def execute(client: AgentFieldClient, target: str, **input_data: Any) -> None:
    try:
        found = await client.execute(target, input_data)
    except ExecuteError as error:
        tell(did="refused", status=error.status_code, text=str(error), body=error.error_details)
    else:
        tell(did="executed", **{name: found[name] for name in NAMES})


NAMES = ("status", "result", "target", "type", "node_id", "error_message", "error_details")


async def main(url: str) -> None:
    client = AgentFieldClient(base_url=url)
    await execute(client, "desk.find", q=1)
    await execute(client, "desk.refuse", q=1)
    await execute(client, "nobody.find", q=1)
    done = await client.execute_async("desk.find", {"q": 2})
    tell(did="waited", result=await client.wait_for_execution_result(done, timeout=20))
    waits = await client.execute_async("desk.wait", {})
    states = await client.batch_check_statuses([done, waits])
    tell(did="asked", states=[states[each]["status"] for each in (done, waits)])
    tell(did="cancelled", was=await client.cancel_async_execution(waits))
    await client.aclose()


asyncio.run(main(sys.argv[1]))
