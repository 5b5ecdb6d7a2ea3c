"""A real control plane answers as the OpenAPI document says, whatever it is asked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from jsonschema import Draft202012Validator
from support.plane import Plane, ScriptedWorker, config_for, keyring, running_plane

from agentfield.identity import Caller
from agentfield_gateway import GatewayConfig, serve

pytestmark = [pytest.mark.integration, pytest.mark.any_database]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A gateway, and the description it gives of itself."""

    session: ClientSession
    document: dict[str, Any]

    async def ask(
        self, verb: str, template: str, body: Any = None, **names: str
    ) -> tuple[int, Any]:
        """Send a request; check the answer against the document; return its status and body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {name.replace("_", "-"): names.pop(name) for name in [*names] if name[0] == "x"}
        path = template.format(**names)
        async with self.session.request(verb, path, data=data, headers=headers) as answer:
            operation = self.document["paths"][template.partition("?")[0]][verb.lower()]
            documented = self._resolved(operation["responses"][str(answer.status)])
            media = documented["content"][answer.content_type]
            for name in documented.get("headers", {}):
                assert name in answer.headers or name == "Retry-After"
            return answer.status, self._read(media["schema"], answer, await answer.text())

    def _read(self, schema: dict[str, Any], answer: ClientResponse, text: str) -> Any:
        if answer.content_type == "text/plain":
            return text
        if answer.content_type == "text/event-stream":
            found = [json.loads(line) for line in re.findall(r"^data: (.*)$", text, re.MULTILINE)]
            schema = {"type": "array", "minItems": 1, "items": schema["contentSchema"]}
        else:
            found = json.loads(text)
        whole = {"components": self.document["components"], "allOf": [schema]}
        checker = Draft202012Validator.FORMAT_CHECKER
        Draft202012Validator(whole, format_checker=checker).validate(found)
        return found

    def _resolved(self, form: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = form
        if "$ref" in form:
            found = self.document["components"]["responses"][form["$ref"].rpartition("/")[2]]
        return found


@asynccontextmanager
async def described(plane: Plane, **config: Any) -> AsyncIterator[Described]:
    gateway = GatewayConfig(http_bind="127.0.0.1:0", **config)
    async with (
        serve(plane.app.transport, gateway) as address,
        ClientSession(f"http://{address}") as session,
    ):
        document = await (await session.get("/openapi.json")).json()
        yield Described(session=session, document=document)


@pytest.fixture
async def gateway(plane: Plane) -> AsyncIterator[Described]:
    async with described(plane) as found:
        yield found


async def test_what_succeeds_is_as_it_is_described(plane: Plane, gateway: Described) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    ask = gateway.ask
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(ask("POST", "/api/v1/execute/{target}", {}, target="n.f"))
        work = worker.accept(await worker.take())
        await worker.report(work, b'{"x":1.0}')
    status, executed = call.result()
    assert (status, executed["result"]) == (200, {"x": 1.0})
    ids = {"execution_id": work.execution_id, "run_id": work.run_id}
    function = {"name": "g", "kind": "skill", "input_schema": {"type": "object"}, "tags": ["t"]}
    node = {"node_id": "m", "instance_id": "1", "functions": [function]}
    _, registered = await ask("POST", "/api/v1/nodes/register", node)
    registration = {"registration_id": registered["registration_id"]}

    answers = [
        await ask("POST", "/api/v1/execute/async/{target}", {"timeout": "90s"}, target="n.f"),
        await ask("GET", "/api/v1/executions/{execution_id}", **ids),
        await ask("GET", "/api/v1/executions/{execution_id}/events", **ids),
        await ask("GET", "/api/v1/executions?status=succeeded&page_size=1"),
        await ask("POST", "/api/v1/executions/batch-status", {"execution_ids": [ids["run_id"]]}),
        await ask("POST", "/api/v1/executions/{execution_id}/cancel", {"reason": "late"}, **ids),
        await ask(
            "POST",
            "/api/v1/executions/{execution_id}/status",
            {"attempt": 1, "status": "succeeded"},
            **ids,
        ),
        await ask("GET", "/api/v1/workflows"),
        await ask("GET", "/api/v1/workflows/{run_id}/dag", **ids),
        await ask("GET", "/api/ui/v1/workflows/{run_id}/dag", **ids),
        await ask("GET", "/api/v1/nodes"),
        await ask("GET", "/api/v1/nodes/{node_id}", node_id="n"),
        await ask("POST", "/api/v1/nodes/{node_id}/heartbeat", registration, node_id="m"),
        await ask("POST", "/api/v1/nodes/{node_id}/shutdown", registration, node_id="m"),
        await ask("GET", "/api/v1/server"),
        await ask("GET", "/health"),
        await ask("GET", "/api/v1/health"),
        await ask("GET", "/readyz"),
        await ask("GET", "/metrics"),
    ]

    statuses = [status for status, _ in answers]
    assert statuses == [202, *[200] * 12, 202, *[200] * 5]
    workflow = answers[8][1]
    assert workflow["timeline"][0]["execution_id"] == work.execution_id


async def test_what_fails_is_as_it_is_described(plane: Plane, gateway: Described) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    ask = gateway.ask
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(ask("POST", "/api/v1/execute/{target}", {}, target="n.f"))
        await worker.fail(worker.accept(await worker.take()), "out of stock")
    failed = call.result()
    assert failed[1]["details"].keys() >= {"execution_id", "run_id"}
    nobody = {"execution_id": "nobody", "run_id": "nobody", "node_id": "nobody"}
    offer = "/api/v1/session-instances/{session_id}/realtime-offer"

    answers = [
        failed,
        await ask("POST", "/api/v1/execute/{target}", {"timeout": "0.05s"}, target="n.f"),
        await ask("POST", "/api/v1/execute/{target}", {"unknown": 1}, target="n.f"),
        await ask("POST", "/api/v1/execute/async/{target}", {}, target="nobody.f"),
        await ask("POST", "/api/v1/execute/async/{target}", {}, target="n.nothing"),
        await ask("GET", "/api/v1/executions/{execution_id}", **nobody),
        await ask("GET", "/api/v1/executions/{execution_id}", execution_id="%0A"),
        await ask("GET", "/api/v1/executions/{execution_id}/events", **nobody),
        await ask("GET", "/api/v1/executions?page_size=1001"),
        await ask("GET", "/api/v1/workflows/{run_id}/dag", **nobody),
        await ask("GET", "/api/v1/nodes/{node_id}", **nobody),
        await ask("POST", "/api/v1/nodes/{node_id}/heartbeat", {}, **nobody),
        await ask("POST", offer, "v=0", session_id="nobody"),
        await ask("POST", offer + "?colour=red", "v=0", session_id="nobody"),
        await ask("GET", "/api/v1/session-instances/{session_id}/events", session_id="nobody"),
        await ask("GET", "/api/v1/server", x_api_key="é"),
        await ask("GET", "/health", x_api_key="any"),
    ]

    assert [(status, body.get("reason")) for status, body in answers] == [
        (502, "EXECUTION_FAILED"),
        (504, "EXECUTION_TIMED_OUT"),
        (400, "INVALID_ARGUMENT"),
        (404, "NODE_NOT_FOUND"),
        (404, "TARGET_NOT_FOUND"),
        (404, "EXECUTION_NOT_FOUND"),
        (404, "EXECUTION_NOT_FOUND"),
        (404, "EXECUTION_NOT_FOUND"),
        (400, "INVALID_ARGUMENT"),
        (404, "WORKFLOW_NOT_FOUND"),
        (404, "NODE_NOT_FOUND"),
        (404, "REGISTRATION_NOT_FOUND"),
        (404, "SESSION_NOT_FOUND"),
        (400, "INVALID_ARGUMENT"),
        (404, "SESSION_NOT_FOUND"),
        (400, "INVALID_ARGUMENT"),
        (200, None),
    ]


async def test_what_is_refused_is_as_it_is_described(tmp_path: Path) -> None:
    client = Caller(name="one", roles=frozenset({"client"}))
    config = replace(config_for(tmp_path / "data"), keyring=keyring(client))
    async with running_plane(config) as plane, described(plane, max_body_bytes=64) as gateway:
        node = {"node_id": "n", "instance_id": "1"}
        large = {"description": "x" * 64}
        answers = [
            await gateway.ask("GET", "/api/v1/nodes"),
            await gateway.ask("POST", "/api/v1/nodes/register", node, x_api_key="one"),
            await gateway.ask("POST", "/api/v1/nodes/register", large, x_api_key="one"),
            await gateway.ask("GET", "/api/v1/nodes", x_api_key="one"),
        ]

    assert [status for status, _ in answers] == [401, 403, 413, 200]
