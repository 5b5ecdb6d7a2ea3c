"""Spans of requests."""

from __future__ import annotations

__all__ = ["traced"]

from collections.abc import Mapping

from aiohttp import web
from opentelemetry.trace import SpanKind

from agentfield.contract.facts import BEGINS_WORK
from agentfield.process import tracing
from agentfield.v1 import errors
from agentfield_gateway.forward import Endpoint
from agentfield_gateway.incoming import header
from agentfield_gateway.routes import Route, Rpc


def traced(route: Route[Rpc], endpoint: Endpoint) -> Endpoint:
    """Return the endpoint of a route, with a span around each request that has a place in a trace.

    That is one which names its trace, or begins work and with it a trace. A stream of events has
    none: it would be known when it ends.
    """
    rpc, name = route.leads_to, f"{route.verb} {route.template}"

    async def respond(request: web.Request, parameters: Mapping[str, str]) -> web.StreamResponse:
        if not tracing.is_on():
            return await endpoint(request, parameters)
        above = header(request.headers, "traceparent")
        # What is called within an execution is in that one's trace, also if it is not said.
        begins = rpc.method in BEGINS_WORK and "x-parent-execution-id" not in request.headers
        if not (above or begins):
            return await endpoint(request, parameters)
        facts = {"http.request.method": request.method, "http.route": route.template}
        with tracing.span(name, facts, parent=above, kind=SpanKind.SERVER) as span:
            try:
                response = await endpoint(request, parameters)
            except errors.AgentFieldError as error:
                span.set_attribute("http.response.status_code", error.http_status)
                raise
            span.set_attribute("http.response.status_code", response.status)
            return response

    return endpoint if rpc.event_stream else respond
