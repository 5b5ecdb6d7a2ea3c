"""An existing client: it knows HTTP alone, and sends what the existing command line sends."""

from __future__ import annotations

__all__ = ["EMPTY_START", "Client", "Desk", "opened"]

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import ClientSession

from agentfield.testing import ControlPlane, ScriptedWorker, Simulator, control_plane, simulator
from support.golden import Answer, Names, check
from support.live import SCRIPT, declared

AF = {"X-API-Key": "", "User-Agent": "af-cli/triggers", "Content-Type": "application/json"}
"""The headers of the existing command line."""
EMPTY_START = {"provider": "", "transport": "", "model": "", "voice": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client that knows only HTTP."""

    http: ClientSession
    names: Names

    async def send(
        self, verb: str, path: str, body: Any = None, *, text: str = "", **headers: str
    ) -> Answer:
        """Send JSON as the existing command line does, or a text; read the whole answer."""
        sent = {**AF, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = text if body is None else json.dumps(body)
        async with self.http.request(verb, path, data=data, headers=sent) as answer:
            found = await answer.text()
            is_json = answer.content_type == "application/json"
            return Answer(
                status=answer.status,
                headers=answer.headers,
                body=json.loads(found) if is_json else found,
            )

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        """POST."""
        return await self.send("POST", path, body, **options)

    async def get(self, path: str, **options: Any) -> Answer:
        """GET."""
        return await self.send("GET", path, **options)

    def check(self, name: str, answer: Answer) -> None:
        """Hold an answer against a golden file."""
        check(name, answer, self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk(Client):
    """A client, the control plane behind its gateway, and a node ``desk``."""

    plane: ControlPlane
    worker: ScriptedWorker
    provider: Simulator

    def offered(self) -> list[dict[str, Any]]:
        """Return the sessions that the provider was asked for."""
        entries = self.provider.journal.entries(direction="received", connection="http")
        calls = [each for each in entries if each.body.get("path") == "/v1/realtime/calls"]
        return [each.body["body"]["session"] for each in calls]

    async def start(self, starts: str = "session-targets") -> str:
        """Start a session and return its id."""
        answer = await self.post(f"/api/v1/{starts}/desk.plain/start", EMPTY_START)
        self.names.known |= {
            "session": answer.body["session_id"],
            "run": answer.body["run_id"],
            "root": answer.body["root_execution_id"],
        }
        return str(answer.body["session_id"])


@asynccontextmanager
async def opened(*flags: str, environment: dict[str, str] | None = None) -> AsyncIterator[Desk]:
    sessions = [declared("plain", has_handler=False, tags=["support"])]
    async with (
        simulator(script=replace(SCRIPT, tells_of_leaving=False)) as provider,
        control_plane(*flags, simulator=provider, environment=environment) as plane,
        ScriptedWorker(plane, "desk", "find", "look", sessions=sessions) as worker,
        ScriptedWorker(plane, "bare", "f"),
        ClientSession(f"http://{plane.http_address}") as http,
    ):
        yield Desk(plane=plane, worker=worker, provider=provider, http=http, names=Names())
