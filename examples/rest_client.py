"""A call over plain REST, as pages and services of any language place it: prints its log."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from agentfield.simulator.caller import calling

URL = os.environ.get("AGENTFIELD_URL", "http://localhost:8080")
KEY = os.environ.get("AGENTFIELD_API_KEY", "")


async def post(http: aiohttp.ClientSession, path: str, key: str, **body: Any) -> str:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with http.post(f"/api/v1/{path}", headers=headers, **body) as answer:
        if not answer.ok:  # {"message": …, "reason": …, "details": …, …}
            raise SystemExit(await answer.text())
        return await answer.text()


async def events(http: aiohttp.ClientSession, path: str, key: str) -> AsyncIterator[dict[str, Any]]:
    """Yield every event once, over lost connections."""
    headers = {"Authorization": f"Bearer {key}"}
    while True:
        try:
            async with http.get(path, headers=headers, raise_for_status=True) as stream:
                if stream.status == 204:  # nothing more will come
                    return
                event: dict[str, str] = {}
                async for line in stream.content:
                    field, _, value = line.decode().rstrip().partition(": ")
                    if field:
                        event[field] = event.get(field, "") + value
                        continue
                    headers |= {"Last-Event-ID": event["id"]} if "id" in event else {}
                    if "data" in event and "event" not in event:  # that would be an error
                        yield json.loads(event["data"])
                    event = {}
        except aiohttp.ClientError as error:
            if getattr(error, "status", 503) < 500:
                raise
        await asyncio.sleep(0.5)


async def main() -> None:
    limits = aiohttp.ClientTimeout(total=None, sock_read=60)  # streams are never silent for so long
    async with aiohttp.ClientSession(URL, timeout=limits) as http, calling(host="127.0.0.1") as me:
        started = json.loads(await post(http, "session-targets/support.voice/start", KEY, json={}))
        token = started["session_token"]  # all that a page gets: never the key
        session = f"session-instances/{started['session_id']}"
        offer = await me.offer()
        await me.take(await post(http, f"{session}/realtime-offer", token, data=offer))
        async for event in events(http, started["events_url"], token):
            print(event["sequence"], event["type"], json.dumps(event["data"]), flush=True)
            if event["type"] == "session.live":
                await me.hears_anything()
                me.speak()
            if event["type"] == "agent.heard":
                await post(http, f"{session}/end", token, json={})


asyncio.run(main())
