"""What operators ask a gateway: does it live, is it ready, how does it do, what does it serve."""

from __future__ import annotations

__all__ = ["REQUESTS", "REQUEST_SECONDS", "Operations"]

from collections.abc import Mapping
from importlib import resources

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

_CHECK = "/grpc.health.v1.Health/Check"
_CHECK_SECONDS = 5.0
_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


class Operations:
    """The operators' endpoints. None of them needs a key."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._description = resources.files(__package__).joinpath("openapi.json").read_bytes()
        self.endpoints: Mapping[str, Endpoint] = {
            "/health": self.health,
            "/api/v1/health": self.health,
            "/readyz": self.ready,
            "/metrics": self.metrics,
            "/openapi.json": self.openapi,
        }

    async def health(self, _: web.Request, __: Mapping[str, str]) -> web.Response:
        """Answer that this process lives; it says nothing about the control plane."""
        return web.json_response({"status": "ok"})

    async def ready(self, _: web.Request, __: Mapping[str, str]) -> web.Response:
        """Answer whether the control plane serves; 503 if not."""
        request = health_pb2.HealthCheckRequest()
        try:
            found = await self._transport.unary(
                _CHECK, request, metadata=(), timeout=_CHECK_SECONDS
            )
        except errors.AgentFieldError as error:
            return _not_ready("unavailable", error.reason)
        if found == _SERVING:
            return web.json_response({"status": "ready"})
        return _not_ready("draining", errors.ServerDraining.reason)

    async def metrics(self, _: web.Request, __: Mapping[str, str]) -> web.Response:
        """Answer with the metrics of this process."""
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def openapi(self, _: web.Request, __: Mapping[str, str]) -> web.Response:
        """Answer with what this gateway serves, as OpenAPI."""
        return web.Response(body=self._description, content_type="application/json")


def _not_ready(status: str, reason: str) -> web.Response:
    return web.json_response({"status": status, "reason": reason}, status=503)
