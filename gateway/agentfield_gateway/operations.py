"""What operators ask a gateway: does it live, is it ready, how does it do, what does it serve."""

from __future__ import annotations

__all__ = ["REQUESTS", "REQUEST_SECONDS", "Operations"]

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata, resources
from typing import Any

from aiohttp import web
from grpc_health.v1 import health_pb2
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

from agentfield.v1 import errors
from agentfield_gateway.forward import Endpoint
from agentfield_gateway.transport import Transport

REQUESTS = Counter(
    "agentfield_http_requests_total", "Answered HTTP requests.", ["route", "method", "status"]
)
REQUEST_SECONDS = Histogram(
    "agentfield_http_request_seconds",
    "How long they took.",
    ["route"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)

_VERSION = metadata.version("agentfield-sessions")
_CHECK = "/grpc.health.v1.Health/Check"
_CHECK_SECONDS = 5.0
_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


class Operations:
    """The operators' endpoints. None of them needs a key."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._description = resources.files(__package__).joinpath("openapi.json").read_bytes()
        self.endpoints: Mapping[str, Endpoint] = {
            "/health": self.lives,
            "/api/v1/health": self.health,
            "/readyz": self.ready,
            "/api/v1/health/ready": self.ready,
            "/api/v1/version": self.version,
            "/metrics": self.metrics,
            "/openapi.json": self.openapi,
        }

    async def lives(self, _: web.Request, __: Mapping[str, str]) -> web.Response:
        """Answer that this process lives; it says nothing about the control plane."""
        return web.json_response(_healthy())

    async def health(self, _: web.Request, __: Mapping[str, str]) -> web.Response:
        """Answer how the whole does, this process and its control plane; 503 if one does not."""
        began = time.monotonic()
        state, reason = await self._control_plane()
        check = {
            "status": "healthy" if state == "ready" else "unhealthy",
            "message": reason or "It serves.",
            "response_time": round((time.monotonic() - began) * 1000),
        }
        form = {**_healthy(), "status": check["status"], "checks": {"control_plane": check}}
        return web.json_response(form, status=503 if reason else 200)

    async def ready(self, _: web.Request, __: Mapping[str, str]) -> web.Response:
        """Answer whether the control plane serves; 503 if not."""
        state, reason = await self._control_plane()
        if reason:
            return web.json_response({"status": state, "reason": reason}, status=503)
        return web.json_response({"status": state})

    async def version(self, _: web.Request, __: Mapping[str, str]) -> web.Response:
        """Answer with the version of this gateway."""
        return web.json_response({"version": _VERSION})

    async def _control_plane(self) -> tuple[str, str]:
        """Return how the control plane is, and the reason if it does not serve."""
        request = health_pb2.HealthCheckRequest()
        try:
            found = await self._transport.unary(
                _CHECK, request, metadata=(), timeout=_CHECK_SECONDS
            )
        except errors.AgentFieldError as error:
            return "unavailable", error.reason
        return ("ready", "") if found == _SERVING else ("draining", errors.ServerDraining.reason)

    async def metrics(self, _: web.Request, __: Mapping[str, str]) -> web.Response:
        """Answer with the metrics of this process."""
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def openapi(self, _: web.Request, __: Mapping[str, str]) -> web.Response:
        """Answer with what this gateway serves, as OpenAPI."""
        return web.Response(body=self._description, content_type="application/json")


def _healthy() -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"status": "healthy", "timestamp": now, "version": _VERSION, "checks": {}}
