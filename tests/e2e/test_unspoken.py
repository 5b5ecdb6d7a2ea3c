"""What people said, inputs, results and keys are in no log, no span and no metric of any process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.collector import collecting
from support.voice import KEY, VoiceWorld, voice_world

from agentfield import Client
from agentfield.simulator import Call, Reply, Script
from agentfield.testing import VoiceCall, calling

pytestmark = pytest.mark.e2e

API_KEY = "key-nobody-may-read"
TRACE = "0123456789abcdef0123456789abcdef"
HEADERS = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "x-actor-id": "somebody"}
WORDS = (
    "marmalade",  # said by the user, and an input and a result then
    "periwinkle",  # said by the model
    "chartreuse",  # arguments of a tool that is allowed, and the text of the error it raises
    "turquoise",  # arguments of one that is not
    "vermilion",  # of whoever started the session
    "aquamarine",  # an input and a result over REST
    "cornflower",  # a body that is no JSON
    "emerald",  # why the session is ended
)
SCRIPT = Script(
    replies=[
        Reply(when="further help", says="What else?"),
        Reply(
            when="again",
            calls=[
                Call(name="find", arguments={"words": "forbidden chartreuse"}),
                Call(name="steal", arguments={"words": "turquoise"}),
            ],
        ),
        Reply(when="TOOL_NOT_ALLOWED", says="A periwinkle is a flower."),
    ]
)


async def talk(call: VoiceCall) -> None:
    """Have a conversation in which everything happens."""
    call.say("marmalade")
    await call.until("agent.heard", outcome="completed")
    await call.until("handler.returned")
    call.say("and again")
    await call.until("tool.refused", name="steal")
    await call.until("tool.finished", status="failed")
    await call.until("agent.heard", text="A periwinkle is a flower.")


async def ask(world: VoiceWorld) -> None:
    """Ask over REST what succeeds and what fails."""
    headers = {"x-api-key": API_KEY}
    path = "/api/v1/execute/library.shelf"
    for words, status in (("aquamarine", 200), ("forbidden aquamarine", 502)):
        body = {"input": {"words": words}}
        found, answer = await world.rest("POST", path, json=body, headers=headers)
        assert (found, "aquamarine" in json.dumps(answer)) == (status, True)
    found, _ = await world.rest("POST", path, data="cornflower", headers=headers)
    assert found == 400
    found, _ = await world.rest("POST", path, json={}, headers={"x-api-key": "cornflower"})
    assert found == 401


async def test_no_process_tells_what_was_said_given_or_returned_nor_any_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys.toml"
    digest = hashlib.sha256(API_KEY.encode()).hexdigest()
    keys.write_text(f'[[keys]]\nname = "all"\nroles = ["admin"]\nsha256 = "{digest}"\n')
    monkeypatch.setenv("AGENTFIELD_API_KEY", API_KEY)
    async with collecting() as collector, voice_world(tmp_path, SCRIPT) as world:
        for name, value in collector.environment.items():
            monkeypatch.setenv(name, value)
        debug = "--log-level=debug"
        server = await world.server("--http-bind=none", f"--api-keys={keys}", debug)
        gateway = await world.processes.gateway(debug)
        agents = await world.agents("library.py", "concierge.py")
        metadata = {"note": "vermilion"}
        async with calling(
            world, "concierge.voice", api_key=API_KEY, headers=HEADERS, metadata=metadata
        ) as call:
            await talk(call)
            async with Client(world.grpc_address, api_key=API_KEY) as client:
                await client.sessions.end(call.session_id, detail="emerald")
                link = await client.sessions.create_token("concierge.voice")
            await call.ended()
        by_link = {"authorization": f"Bearer {link.token}"}
        path = "/api/v1/session-targets/concierge.voice/start"
        (status, linked), (again, _) = [
            await world.rest("POST", path, headers=by_link) for _ in range(2)
        ]
        assert (status, again) == (201, 403)
        bearer = {"authorization": f"Bearer {linked['session_token']}"}
        end = f"/api/v1/session-instances/{linked['session_id']}/end"
        assert (await world.rest("POST", end, headers=bearer))[0] == 200
        await ask(world)
        _, metrics = await world.rest("GET", "/metrics")
        await collector.until(lambda _: bool(collector.named("session")))
        for process in (server, gateway, *agents):
            await process.terminate()

        logs = {p.log.name: p.log.read_text() for p in (server, gateway, *agents)}
        told = {
            **logs,
            "spans": b"".join(collector.raw).decode(errors="replace"),
            "metrics": metrics,
        }
        unspoken = (
            *WORDS,
            API_KEY,
            KEY,
            call.started["session_token"],
            link.token,
            linked["session_token"],
        )
        assert [
            (word, where) for where, text in told.items() for word in unspoken if word in text
        ] == []

        # They told much, though: it is not for silence that nothing was found.
        assert {span.service for span in collector.spans if span.failed} >= {"library"}
        assert any(line.get("session_id") == call.session_id for line in of(logs[server.log.name]))
        finished = [line for line in of(logs[server.log.name]) if line["message"] == "rpc finished"]
        assert TRACE in {line.get("trace_id") for line in finished}
        raised = [x for x in of(logs[agents[0].log.name]) if x["message"] == "function raised"]
        assert {"execution_id", "trace_id", "session_id"} <= raised[0].keys()
        assert raised[0]["trace_id"] == TRACE


def of(log: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log."""
    yield from map(json.loads, log.splitlines())
