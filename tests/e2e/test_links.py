"""A link to a session is all that a person needs: what a page does with it, request by request."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientSession, ClientTimeout
from support.processes import PATIENCE
from support.voice import VoiceWorld, voice_world

from agentfield.simulator import Call, Reply, Script
from agentfield.simulator.caller import calling as placing
from agentfield.simulator.tasks import owned_tasks

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]

SCRIPT = Script(
    replies=[
        Reply(when="hats", calls=[Call(name="look_up", arguments={"thing": "hat"})]),
        Reply(when="spoken_response", says="Seven are left."),
    ]
)
KEYS = {"shop": ("client", ""), "desk": ("agent", 'nodes = ["desk", "stock"]')}


@dataclass(slots=True, kw_only=True)
class Page:
    """What a page has: the origin it came from, and one token at a time."""

    http: ClientSession
    origin: str
    token: str
    events: list[dict[str, Any]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, verb: str, path: str, **options: Any) -> Any:
        """Return the answer of a request that succeeds."""
        status, answer = await self.status(verb, path, **options)
        assert status < 300, answer
        return answer

    async def status(self, verb: str, path: str, **options: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Origin": self.origin}
        async with self.http.request(verb, path, headers=headers, **options) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def follow(self, path: str) -> None:
        """Take in the events as they come."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"}
        timeout = ClientTimeout(total=None)
        async with self.http.get(path, headers=headers, timeout=timeout) as stream:
            async for line in stream.content:
                if line.startswith(b"data: "):
                    self.events.append(json.loads(line.removeprefix(b"data: ")))
                    self.changed.set()

    async def until(self, type_: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while not (found := [event for event in self.events if event["type"] == type_]):
                self.changed.clear()
                await self.changed.wait()
        return found[0]


@asynccontextmanager
async def desk_with_keys(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[VoiceWorld]:
    """Run a control plane that asks for keys, with an agent that has one."""
    entries = [
        f'[[keys]]\nname = "{name}"\nroles = ["{role}"]\n{more}\n'
        f'sha256 = "{hashlib.sha256(name.encode()).hexdigest()}"\n'
        for name, (role, more) in KEYS.items()
    ]
    (folder / "keys.toml").write_text("\n".join(entries))
    monkeypatch.setenv("AGENTFIELD_API_KEY", "desk")
    monkeypatch.delenv("AGENTFIELD_SERVER", raising=False)
    async with voice_world(folder, SCRIPT) as world:
        await world.desk(f"--api-keys={folder / 'keys.toml'}", "--log-level=debug", script=SCRIPT)
        yield world


async def test_a_link_is_all_that_a_call_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_with_keys(tmp_path, monkeypatch) as world:
        code, out, err = await world.af("-k", "shop", "session", "link", "desk.model")
        assert (code, out.count("\n")) == (0, 1), err
        link = urlsplit(out.strip())
        assert f"{link.scheme}://{link.netloc}{link.path}" == f"http://{world.http_address}/"
        given = {name: values[0] for name, values in parse_qs(link.fragment).items()}
        assert given["target"] == "desk.model"

        async with (
            ClientSession(origin := f"http://{world.http_address}") as http,
            placing() as caller,
            owned_tasks() as tasks,
        ):
            page = Page(http=http, origin=origin, token=given["start_token"])
            assert "<!doctype html>" in (await page.ask("GET", "/")).lower()
            begin = f"/api/v1/session-targets/{given['target']}/start"
            started = await page.ask("POST", begin, json={})
            assert (await page.status("POST", begin, json={}))[1]["reason"] == "START_TOKEN_USED_UP"
            page.token = started["session_token"]

            following = tasks.create_task(page.follow(started["events_url"]))
            offer = await caller.offer()
            await caller.take(await page.ask("POST", started["offer_url"], data=offer))
            await page.until("session.live")
            caller.attend()
            of = f"/api/v1/session-instances/{started['session_id']}"
            (call,) = (await page.ask("GET", of))["provider_calls"]
            world.simulator.speak(call["external_id"], "How many hats?")
            await page.until("agent.heard")

            # Both transcripts as they come, not only when they are whole.
            pieces = {
                type_: "".join(e["data"]["delta"] for e in page.events if e["type"] == type_)
                for type_ in ("turn.delta", "agent.delta")
            }
            assert pieces == {"turn.delta": "How many hats?", "agent.delta": "Seven are left."}
            dag = await page.ask("GET", f"/api/v1/workflows/{started['run_id']}/dag")
            tool, check = dag["timeline"][1:]
            assert (tool["parent_execution_id"], check["parent_execution_id"]) == (
                started["root_execution_id"],
                tool["execution_id"],
            )
            execution = await page.ask("GET", f"/api/v1/executions/{tool['execution_id']}")
            assert execution["input"] == {"thing": "hat"}
            assert execution["result"]["spoken_response"] == "There are seven hats left."
            assert execution["duration_ms"] >= 0
            listed = await page.ask("GET", f"{of}/workflows")
            assert [each["run_id"] for each in listed["workflows"]] == [started["run_id"]]

            # As on `pagehide`: the answer is not waited for, and the page is gone.
            following.cancel()
            leaving = tasks.create_task(page.ask("POST", f"{of}/end", json={"hangup": True}))
            await world.hung_up()
            await leaving

            page.token = "shop"  # noqa: S105 - the key that made the link
            session = await page.ask("GET", of)
            assert (session["created_by"], session["end_reason"]) == ("shop", "client_hangup")
        for process in world.servers:
            log = process.log.read_text()
            assert given["start_token"] not in log
            assert "start_token" not in log


async def test_without_keys_a_page_finds_what_it_can_start_and_what_was_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGENTFIELD_SERVER", raising=False)
    async with voice_world(tmp_path) as world:
        await world.desk()
        status, found = await world.rest("GET", "/api/v1/nodes")
        assert status == 200
        sessions = {
            f"{node['node_id']}.{declared['name']}": declared
            for node in found["nodes"]
            for declared in node["sessions"]
        }
        declared = sessions["desk.model"]
        assert (declared["provider"], declared["transport"]) == ("openai", "webrtc")
        assert declared["modalities"] == ["audio", "text"]
        assert declared["tools"] == ["desk.look_up", "slowly"]
        assert sessions["desk.quiet"]["data_channel"] == "refuse"

        status, started = await world.rest("POST", "/api/v1/session-targets/desk.model/start")
        assert status == 201
        _, before = await world.rest("GET", "/api/v1/session-instances?page_size=10")
        assert [each["session_id"] for each in before["sessions"]] == [started["session_id"]]

        # A link works here as well, and allows no more than anywhere else.
        code, out, _ = await world.af("session", "link", "desk.model", "--ttl", "1m", "-o", "json")
        link = json.loads(out)
        bearer = {"Authorization": f"Bearer {link['token']}"}
        path = "/api/v1/session-targets/desk.model/start"
        assert code == 0
        assert (await world.rest("POST", path, headers=bearer))[0] == 201
        assert (await world.rest("GET", "/api/v1/session-instances", headers=bearer))[0] == 403
