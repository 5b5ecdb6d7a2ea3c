"""The web application: from a request to its route, and back to an answer."""

from __future__ import annotations

__all__ = ["build_app", "serve"]

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from agentfield.process.addresses import split_bind
from agentfield.process.tls import Certificate
from agentfield.v1 import errors
from agentfield_gateway.config import GatewayConfig
from agentfield_gateway.events import STARTED, send_failure
from agentfield_gateway.forward import Endpoint, Forward
from agentfield_gateway.guards import Guards
from agentfield_gateway.operations import REQUEST_SECONDS, REQUESTS, Operations
from agentfield_gateway.outgoing import FAILURE_FORM, error_answer
from agentfield_gateway.pages import Pages
from agentfield_gateway.routes import Route, Table, contract_routes
from agentfield_gateway.traced import traced
from agentfield_gateway.transport import Transport

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TEMPLATE = web.RequestKey("TEMPLATE", str)
"""The template of the route that a request means."""

log = logging.getLogger("agentfield.gateway")

# aiohttp logs bytes that are not HTTP as they came, keys and all.
_SILENT = logging.getLogger("agentfield.gateway.parser")
_SILENT.disabled = True


def build_app(transport: Transport, config: GatewayConfig) -> web.Application:
    """Return the application that answers for the control plane behind the transport."""
    gateway = _Gateway(transport, config)
    app = web.Application(middlewares=[gateway.around], client_max_size=config.max_body_bytes)
    # Every path there is; a dot would leave out those with an encoded line break.
    app.router.add_route("*", r"/{path:[\s\S]*}", gateway.dispatch)
    app.on_response_prepare.append(gateway.guards.add_headers)
    app.on_shutdown.append(gateway.drain)
    return app


@asynccontextmanager
async def serve(transport: Transport, config: GatewayConfig) -> AsyncIterator[str]:
    """Listen until the block is left, and yield the address that it listens on.

    Then it takes no more connections, ends event streams and lets other requests finish for
    ``drain_seconds``. Raises OSError when the address cannot be listened on.
    """
    host, port = split_bind(config.http_bind)
    runner = web.AppRunner(
        build_app(transport, config),
        handler_cancellation=True,
        access_log=None,
        logger=_SILENT,
        # It waits this long for requests to finish, and once more after it has told them.
        shutdown_timeout=config.drain_seconds / 2,
    )
    context = Certificate(config.tls).context() if config.tls else None
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
        yield f"{config.http_bind.rpartition(':')[0]}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class _Gateway:
    """One application's way through: guards, route, rpc, answer."""

    def __init__(self, transport: Transport, config: GatewayConfig) -> None:
        self.guards = Guards(config)
        self._draining = asyncio.Event()
        self._forward = Forward(transport, config, draining=self._draining)
        self._own = {**Operations(transport).endpoints, **Pages().endpoints}
        self._table = Table(list(self._routes()))

    def _routes(self) -> Iterator[Route[Endpoint]]:
        for route in contract_routes():
            rpc = route.leads_to
            endpoint = traced(route, self._forward.endpoint(route))
            yield Route(verb=route.verb, template=route.template, leads_to=endpoint)
            if route.verb == "GET" and not rpc.event_stream:
                yield Route(verb="HEAD", template=route.template, leads_to=endpoint)
        for template, endpoint in self._own.items():
            for verb in ("GET", "HEAD"):
                yield Route(verb=verb, template=template, leads_to=endpoint)

    @web.middleware
    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Guard, observe, and turn whatever fails into an answer."""
        began, status = time.monotonic(), "disconnected"
        try:
            try:
                self.guards.check(request)
                response = await handler(request)
            except Exception as error:  # noqa: BLE001 - nothing fails without an answer
                response = await _failed(request, error)
            status = str(response.status)
            return response
        finally:
            template = request.get(TEMPLATE, "none")
            verb = request.method if request.method in hdrs.METH_ALL else "other"
            REQUESTS.labels(template, verb, status).inc()
            REQUEST_SECONDS.labels(template).observe(time.monotonic() - began)

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Answer by the route the request means."""
        path = request.rel_url.raw_path
        if self.guards.is_preflight(request):
            return self.guards.preflight(self._table.verbs(path))
        found = self._table.find(request.method, path)
        request[TEMPLATE] = found.route.template
        return await found.route.leads_to(request, found.parameters)

    async def drain(self, _: web.Application) -> None:
        """End the event streams: they would go on for as long as anyone reads."""
        self._draining.set()


async def _failed(request: web.Request, error: Exception) -> web.StreamResponse:
    known = _known(error)
    stream: web.StreamResponse | None = request.get(STARTED)
    if stream is None:
        return error_answer(known, request.get(FAILURE_FORM))
    await send_failure(stream, known)
    return stream


def _known(error: BaseException) -> errors.AgentFieldError:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, errors.AgentFieldError):
        return error
    if isinstance(error, web.HTTPNotFound):
        return errors.RouteNotFound("There is no such route.")
    # Where it failed, but not its text, which may quote the request.
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error(
        "request failed unexpectedly", extra={"error": type(error).__name__, "traceback": where}
    )
    return errors.Internal("Something went wrong inside the gateway; its log has more.")
