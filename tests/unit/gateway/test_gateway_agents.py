"""What existing agents send, as the contract's messages, and what they read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unit.gateway.scripted_transport import Gateway

from agentfield.v1 import execution_pb2, node_service_pb2, session_pb2

pytestmark = pytest.mark.unit

SESSION = {
    "name": "voice",
    "provider": "openai",
    "transport": "webrtc",
    "model": None,
    "modalities": ["audio", "text"],
    "voice": "marin",
    "tools": ["support.resolve"],
    "tags": [],
    "proposed_tags": [],
    "approved_tags": [],
    "metadata": {},
    "turn_detection": {"type": "server_vad", "threshold": 0.25, "create_response": False},
}
# As agentfield 0.1.144 sends it, but for times and ids.
REGISTRATION: dict[str, Any] = {
    "id": "support",
    "team_id": "default",
    "base_url": "http://127.0.0.1:8001",
    "version": "1.0.0",
    "reasoners": [
        {
            "id": "resolve",
            "input_schema": {"type": "object", "properties": {"n": {"const": 9007199254740993}}},
            "output_schema": {"type": "object"},
            "memory_config": {
                "auto_inject": [],
                "memory_retention": "session",
                "cache_results": False,
            },
            "return_type_hint": "dict",
            "tags": ["billing"],
            "proposed_tags": ["billing"],
            "vc_enabled": True,
            "description": "Resolve it.",
            "accepts_webhook": "warn",
        }
    ],
    "skills": [{"id": "count", "input_schema": None, "output_schema": {}, "tags": []}],
    "proposed_tags": [],
    "instance_id": "0123456789abcdef0123456789abcdef",
    "lifecycle_status": "starting",
    "communication_config": {
        "protocols": ["http"],
        "websocket_endpoint": "",
        "heartbeat_interval": "2s",
    },
    "health_status": "healthy",
    "last_heartbeat": "2026-01-31T12:00:00Z",
    "registered_at": "2026-01-31T12:00:00Z",
    "features": {"ab_testing": False, "experimental": {}},
    "metadata": {
        "deployment": {"environment": "development", "platform": "python"},
        "performance": {"latency_ms": 0, "throughput_ps": 0},
        "custom": {"description": "Answers.", "sessions": [SESSION], "vc_generation": {}},
    },
    "callback_discovery": {
        "mode": "python-sdk:auto",
        "preferred": "http://127.0.0.1:8001",
        "callback_candidates": ["http://127.0.0.1:8001", "http://vm:8001"],
        "container": False,
        "submitted_at": "2026-01-31T12:00:00.000Z",
    },
}


async def post(gateway: Gateway, path: str, body: Any = None) -> tuple[int, Any, Any]:
    """Return status and JSON of an answer, and what the control plane was asked."""
    answer = await gateway.post(path, b"" if body is None else json.dumps(body).encode())
    heard = gateway.plane.heard
    return answer.status, json.loads(await answer.read()), heard[-1].request if heard else None


@pytest.mark.parametrize("path", ["/api/v1/nodes/register", "/api/v1/nodes"])
async def test_a_registration_of_an_existing_agent_is_a_worker_with_an_address(
    gateway: Gateway, path: str
) -> None:
    response = node_service_pb2.RegisterNodeResponse(base_url="http://vm:8001")
    response.node.node_id = "support"
    gateway.plane.answers["RegisterNode"] = response

    status, answer, asked = await post(gateway, path, REGISTRATION)

    assert status == 201
    assert (answer["success"], answer["message"]) == (True, "Node registered successfully")
    assert (answer["node_id"], answer["resolved_base_url"]) == ("support", "http://vm:8001")
    assert answer["callback_discovery"]["resolved"] == "http://vm:8001"
    assert (asked.node_id, asked.base_url) == ("support", "http://127.0.0.1:8001")
    assert (list(asked.other_urls), asked.description) == (["http://vm:8001"], "Answers.")
    assert asked.status == node_service_pb2.WORKER_STATUS_STARTING
    assert [(f.name, f.kind) for f in asked.functions] == [
        ("resolve", execution_pb2.FUNCTION_KIND_REASONER),
        ("count", execution_pb2.FUNCTION_KIND_SKILL),
    ]
    assert b"9007199254740993" in asked.functions[0].input_schema
    assert asked.functions[1].input_schema == b""
    (session,) = asked.sessions
    assert (session.name, session.voice, list(session.tools)) == (
        "voice",
        "marin",
        ["support.resolve"],
    )
    assert session.turn_detection.type == session_pb2.TURN_DETECTION_TYPE_SERVER_VAD
    assert (session.turn_detection.threshold, session.turn_detection.create_response) == (
        0.25,
        False,
    )
    assert not session.has_handler


async def test_top_level_sessions_win_and_addresses_that_were_given_stand_alone(
    gateway: Gateway,
) -> None:
    discovery = REGISTRATION["callback_discovery"] | {"mode": "manual"}
    body = REGISTRATION | {
        "sessions": [SESSION | {"name": "other", "turn_detection": None}],
        "callback_discovery": discovery,
        "instance_id": "",
    }

    _, _, asked = await post(gateway, "/api/v1/nodes/register", body)

    assert [session.name for session in asked.sessions] == ["other"]
    assert not asked.sessions[0].HasField("turn_detection")
    assert (list(asked.other_urls), asked.instance_id) == ([], "default")


async def test_ours_registers_by_the_contracts_own_names(gateway: Gateway) -> None:
    body = {"node_id": "n", "instance_id": "1"}

    _, _, asked = await post(gateway, "/api/v1/nodes/register", body)

    assert (asked.node_id, asked.base_url) == ("n", "")


async def test_a_registration_without_an_address_or_with_an_unknown_member_of_ours_is_refused(
    gateway: Gateway,
) -> None:
    for body in ({"id": "n"}, {"node_id": "n", "colour": "red"}, {"id": "n", "reasoners": {}}):
        status, answer, _ = await post(gateway, "/api/v1/nodes/register", body)
        assert (status, answer["reason"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (None, "UNSPECIFIED"),
        ({"status": "ready", "timestamp": "2026-01-31T12:00:00", "version": "1"}, "READY"),
        ({"status": "something else"}, "UNSPECIFIED"),
    ],
)
async def test_a_heartbeat_may_say_much_or_nothing(
    gateway: Gateway, body: Any, status: str
) -> None:
    response = node_service_pb2.HeartbeatResponse()
    response.lease.FromSeconds(300)
    response.received_at.FromJsonString("2026-01-31T12:00:00Z")
    gateway.plane.answers["Heartbeat"] = response

    code, answer, asked = await post(gateway, "/api/v1/nodes/support/heartbeat", body)

    assert (code, answer["success"], answer["message"]) == (200, True, "heartbeat received")
    assert answer["timestamp"] == "2026-01-31T12:00:00Z"
    assert (answer["lease_seconds"], answer["next_lease_renewal"]) == (300, "2026-01-31T12:02:30Z")
    assert (asked.node_id, node_service_pb2.WorkerStatus.Name(asked.status)) == (
        "support",
        f"WORKER_STATUS_{status}",
    )


@pytest.mark.parametrize(
    ("verb", "path", "body", "text"),
    [
        ("PATCH", "status", {"phase": "asleep"}, "unsupported phase: asleep"),
        ("PATCH", "status", {"health_score": 101}, "health_score must be between 0 and 100"),
        ("POST", "lifecycle/status", {"lifecycle_status": "x"}, "unsupported phase: x"),
    ],
)
async def test_a_phase_or_a_score_that_is_none_is_refused(
    gateway: Gateway, verb: str, path: str, body: Any, text: str
) -> None:
    data = json.dumps(body).encode()
    answer = await gateway.send(verb, f"/api/v1/nodes/n/{path}", data=data)

    assert (answer.status, json.loads(await answer.read())["error"]) == (400, text)


@pytest.mark.parametrize(
    ("body", "drain"),
    [(None, None), ({"reason": "signal", "timeout_seconds": 30.0}, 30), ({"drain": "7s"}, 7)],
)
async def test_an_agent_that_leaves_says_how_long_it_takes(
    gateway: Gateway, body: Any, drain: int | None
) -> None:
    status, answer, asked = await post(gateway, "/api/v1/nodes/support/shutdown", body)

    assert (status, answer["lease_seconds"], answer["message"]) == (202, 0, "shutdown acknowledged")
    assert (asked.drain.seconds if asked.HasField("drain") else None) == drain


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("succeeded", "SUCCEEDED"),
        ("OK", "SUCCEEDED"),
        ("errored", "FAILED"),
        ("waiting", "RUNNING"),
    ],
)
async def test_a_report_may_say_its_status_in_any_known_word(
    gateway: Gateway, word: str, status: str
) -> None:
    body = {
        "status": word,
        "result": [1, 2.0],
        "duration_ms": 3,
        "completed_at": "2026-01-31T12:00:00+00:00",
        "execution_id": "exec_1",
        "reasoner": "resolve",
        "error_details": None,
        "progress": 50,
        "usage": {"entries": [{"tokens": 3}]},
    }

    code, _, asked = await post(gateway, "/api/v1/executions/exec_1/status", body)

    assert (code, execution_pb2.ExecutionStatus.Name(asked.status)) == (
        200,
        f"EXECUTION_STATUS_{status}",
    )
    assert (asked.attempt, asked.result, asked.error_details) == (0, b"[1, 2.0]", b"")
    assert asked.usage == b'{"entries": [{"tokens": 3}]}'


async def test_a_report_never_fails_for_what_is_only_told_besides(gateway: Gateway) -> None:
    body = {
        "status": "failed",
        "error": "no",
        "error_details": ["a", "list"],
        "usage": {"much": "x" * 40_000},
        "error_status_code": 42,
    }

    code, _, asked = await post(gateway, "/api/v1/executions/exec_1/status", body)

    assert (code, asked.error_details) == (200, b'{"value":["a", "list"]}')
    assert (asked.usage, asked.error_status_code) == (b'{"truncated":true}', 0)


async def test_an_unknown_status_is_refused_in_the_known_words(gateway: Gateway) -> None:
    status, answer, _ = await post(gateway, "/api/v1/executions/e/status", {"status": "melted"})

    assert (status, answer["error"]) == (400, "unsupported status 'melted'")


async def test_an_event_is_a_record_of_a_call_inside_an_agent(gateway: Gateway) -> None:
    event = {
        "execution_id": "exec_1_a",
        "workflow_id": "run_1",
        "run_id": "run_1",
        "reasoner_id": "inner",
        "agent_node_id": "support",
        "status": "succeeded",
        "type": "inner",
        "parent_execution_id": "exec_1",
        "parent_workflow_id": "run_1",
        "input_data": {"n": 9007199254740993},
        "result": None,
        "duration_ms": 5,
    }

    status, _, asked = await post(gateway, "/api/v1/workflow/executions/events", event)

    assert (status, asked.execution_id, asked.parent_execution_id) == (200, "exec_1_a", "exec_1")
    assert (asked.node_id, asked.function) == ("support", "inner")
    assert (asked.input, asked.result) == (b'{"n": 9007199254740993}', b"null")

    begun = {"execution_id": "exec_2", "reasoner_name": "inner", "node_id": "support"}
    _, _, asked = await post(gateway, "/api/v1/workflow/executions", begun)
    assert asked.status == execution_pb2.EXECUTION_STATUS_RUNNING


@pytest.mark.parametrize("path", ["/api/v1/did/register", "/api/v1/memory/events/ws"])
async def test_what_is_not_served_is_a_plain_404(gateway: Gateway, path: str) -> None:
    answer = await gateway.post(path, b"{}")

    assert answer.status == 404
    assert json.loads(await answer.read())["reason"] == "ROUTE_NOT_FOUND"


async def test_nodes_have_the_names_that_existing_clients_read(gateway: Gateway) -> None:
    response = node_service_pb2.ListNodesResponse()
    node = response.nodes.add(node_id="support", health=node_service_pb2.NODE_HEALTH_ACTIVE)
    node.functions.add(name="resolve", kind=execution_pb2.FUNCTION_KIND_REASONER)
    node.workers.add(
        base_url="http://127.0.0.1:8001",
        instance_id="one",
        status=node_service_pb2.WORKER_STATUS_READY,
    )
    gateway.plane.answers["ListNodes"] = response

    answer = await gateway.get("/api/v1/nodes?show_all=true&health_status=active&team_id=default")

    found = json.loads(await answer.read())
    assert found["count"] == 1
    (one,) = found["nodes"]
    assert (one["id"], one["group_id"], one["team_id"]) == ("support", "support", "default")
    assert (one["base_url"], one["instance_id"]) == ("http://127.0.0.1:8001", "one")
    assert (one["health_status"], one["lifecycle_status"]) == ("active", "ready")
    assert [each["id"] for each in one["reasoners"]] == ["resolve"]
    assert gateway.plane.heard[-1].request.health_status == node_service_pb2.NODE_HEALTH_ACTIVE
