"""What operators ask."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from unit.gateway.scripted_transport import Gateway

from agentfield.v1 import errors

pytestmark = pytest.mark.unit

Check = health_pb2.HealthCheckResponse


READY = pytest.mark.parametrize("path", ["/readyz", "/api/v1/health/ready"])


async def test_whether_it_lives_is_the_gateway_s_own(gateway: Gateway) -> None:
    answer = await gateway.get("/health")

    assert (answer.status, (await answer.json())["status"]) == (200, "healthy")
    assert not gateway.plane.heard


@pytest.mark.parametrize(
    ("found", "status", "says"),
    [
        (Check(status=Check.SERVING), (200, "healthy"), "It serves."),
        (Check(status=Check.NOT_SERVING), (503, "unhealthy"), "SERVER_DRAINING"),
        (errors.ServerUnreachable("Nobody."), (503, "unhealthy"), "SERVER_UNREACHABLE"),
    ],
)
async def test_the_health_of_all_is_that_of_the_control_plane_too(
    gateway: Gateway, found: Message | Exception, status: tuple[int, str], says: str
) -> None:
    gateway.plane.answers["Check"] = found

    answer = await gateway.get("/api/v1/health")

    form = await answer.json()
    assert (answer.status, form["status"]) == status
    assert form["checks"]["control_plane"]["message"] == says


@READY
async def test_it_is_ready_when_the_control_plane_serves(gateway: Gateway, path: str) -> None:
    gateway.plane.answers["Check"] = Check(status=Check.SERVING)

    answer = await gateway.get(path, headers={"X-API-Key": "key"})

    assert (answer.status, await answer.json()) == (200, {"status": "ready"})
    assert gateway.plane.heard[-1].metadata == {}


@pytest.mark.parametrize(
    ("found", "form"),
    [
        (
            Check(status=Check.NOT_SERVING),
            {"status": "draining", "reason": "SERVER_DRAINING"},
        ),
        (
            errors.ServerUnreachable("Nobody there."),
            {"status": "unavailable", "reason": "SERVER_UNREACHABLE"},
        ),
    ],
)
@READY
async def test_it_is_not_ready_while_the_control_plane_is_not(
    gateway: Gateway, found: Message | Exception, form: dict[str, str], path: str
) -> None:
    gateway.plane.answers["Check"] = found

    answer = await gateway.get(path)

    assert (answer.status, await answer.json()) == (503, form)


async def test_requests_are_counted_by_template_and_never_by_path(gateway: Gateway) -> None:
    await gateway.get("/api/v1/nodes/a-node-with-a-name")
    await gateway.get("/a/path/unheard-of/knows")
    await gateway.send("PROPFIND", "/health")

    answer = await gateway.get("/metrics")

    text = await answer.text()
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    counted = (
        'agentfield_http_requests_total{method="GET",route="/api/v1/nodes/{node_id}",status="200"}'
    )
    assert counted in text
    assert 'agentfield_http_requests_total{method="GET",route="none",status="404"}' in text
    assert 'agentfield_http_requests_total{method="other",route="none",status="405"}' in text
    assert 'agentfield_http_request_seconds_count{route="/api/v1/nodes/{node_id}"}' in text
    assert "a-node-with-a-name" not in text
    assert "unheard-of" not in text
