"""Nothing that is asked at random gets an answer that the OpenAPI document does not describe."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from aiohttp import ClientSession
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.live import desk
from support.plane import Plane, ScriptedWorker, config_for, keyring, running_plane

from agentfield.identity import Caller
from agentfield_gateway.operations import Operations

pytestmark = [pytest.mark.integration, pytest.mark.any_database]

# An offer is bytes; that they are an offer is not what is tried here.
schemathesis.serializer.alias("application/sdp", "application/octet-stream")

SEED = 20261124
CHECKS = [
    negative_data_rejection,
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A gateway, the description it gives of itself, and names of what is behind it."""

    url: str
    document: dict[str, Any]
    known: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Asks a gateway at random, with one key or none, and counts what it answers."""

    gateway: Described
    key: str = ""
    examples: int = 5
    """How many requests of each kind an operation gets."""
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often each operation was answered with each status."""

    def ask_everything(self) -> set[int]:
        """Ask each operation for what is valid, what exists, and what is not valid."""
        schema = schemathesis.openapi.from_dict(self.gateway.document)
        found: Iterable[Any] = schema.get_all_operations()
        for operation in (each.ok() for each in found):
            names = re.findall(r"\{(\w+)\}", operation.path)
            known = {name: self.gateway.known[name] for name in names}
            self._ask(operation, generation_mode=GenerationMode.POSITIVE)
            self._ask(operation, path_parameters=known)
            if operation.body or operation.query:
                self._ask(operation, generation_mode=GenerationMode.NEGATIVE)
        return {status for _, status in self.answers}

    def _ask(self, operation: Any, **kind: Any) -> None:
        @seed(SEED)
        @settings(
            max_examples=self.examples,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(**kind))
        def one(case: Any) -> None:
            shown = {"X-API-Key": self.key} if self.key else {}
            response = case.call(base_url=self.gateway.url, headers=shown, timeout=10)
            self.answers[operation.label, response.status_code] += 1
            self._check(operation, case, response)

        one()

    def _check(self, operation: Any, case: Any, response: Any) -> None:
        stream = response.headers.get("content-type") == ["text/event-stream"]
        # It would hold each event against the description of the whole stream.
        skipped = [response_schema_conformance] if stream else []
        case.validate_response(response, checks=CHECKS, excluded_checks=skipped)
        if response.status_code >= 400 and response.request.method != "HEAD":
            reason = json.loads(response.content)["reason"]
            assert reason in self._reasons(operation, response.status_code), operation.label

    def _reasons(self, operation: Any, status: int) -> set[str]:
        """Return the reasons that an operation is said to fail with, by this status."""
        document = self.gateway.document
        verbs = document["paths"][operation.path]
        form = verbs[operation.method.lower()]["responses"][str(status)]
        if "$ref" in form:
            form = document["components"]["responses"][form["$ref"].rpartition("/")[2]]
        return set(form["content"]["application/json"].get("examples", {"SERVER_DRAINING": {}}))


async def known_to(plane: Plane, worker: ScriptedWorker) -> dict[str, str]:
    """Return names that lead somewhere. What is watched is over, and so the watch ends."""
    execution_id = await plane.submit("desk.find")
    await worker.take()
    await plane.cancel(execution_id)
    run_id = (await plane.get(execution_id)).run_id
    known = {"execution_id": execution_id, "run_id": run_id, "node_id": "desk"}
    return known | {"session_id": "sess_none", "target": "desk.none", "tool": "find"}


async def describing(plane: Plane, known: Mapping[str, str]) -> Described:
    url = f"http://{plane.http_address}"
    async with ClientSession(url) as http, http.get("/openapi.json") as answer:
        return Described(url=url, document=await answer.json(), known=known)


async def test_a_server_without_keys_answers_as_it_is_described() -> None:
    async with desk(gateway=True) as at:
        line = await at.start("plain")
        await line.end()
        known = await known_to(at.plane, at.worker) | {"session_id": line.session_id}
        asker = Asker(gateway=await describing(at.plane, known))

        statuses = await asyncio.to_thread(asker.ask_everything)

    assert statuses >= {200, 201, 202, 204, 400, 404, 409}


async def test_a_server_with_keys_answers_each_of_them_as_it_is_described(tmp_path: Path) -> None:
    # The one that may register comes last: what it registers has no worker.
    roles = {"page": "client", "root": "admin"}
    callers = [Caller(name=name, roles=frozenset({role})) for name, role in roles.items()]
    config = replace(config_for(tmp_path / "data"), http_bind="127.0.0.1:0")
    async with (
        running_plane(replace(config, keyring=keyring(*callers))) as anyone,
        ScriptedWorker(anyone.as_("root"), "desk", "find") as worker,
    ):
        gateway = await describing(anyone, await known_to(anyone.as_("root"), worker))
        askers = {key: Asker(gateway=gateway, key=key, examples=3) for key in ("", *roles)}

        found = {
            key: await asyncio.to_thread(asker.ask_everything) for key, asker in askers.items()
        }

    assert found["root"] >= {200, 201, 202, 400, 404}
    assert found["page"] >= {200, 400, 403, 404}
    assert 401 not in found["root"] | found["page"]
    let_in = {label for label, status in askers[""].answers if status < 400}
    assert let_in == {f"GET {path}" for path in Operations(anyone.app.transport).endpoints}
