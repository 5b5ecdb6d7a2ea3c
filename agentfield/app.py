"""Builds everything, runs it, drains it and takes it down. The only place that knows all rooms."""

from __future__ import annotations

__all__ = ["App", "running"]

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from agentfield.bus import InProcessBus, PostgresBus
from agentfield.config import Config
from agentfield.contract.facts import pairs
from agentfield.dispatch.addresses import policy_of
from agentfield.dispatch.calls import HttpCalls
from agentfield.dispatch.client import AgentClient
from agentfield.dispatch.dispatcher import Dispatcher
from agentfield.dispatch.sweeper import Sweeper
from agentfield.executions.engine import Engine
from agentfield.executions.journal import Journal
from agentfield.executions.ports import Hints
from agentfield.executions.workflows import Workflows
from agentfield.live.agents import AgentSide
from agentfield.live.asking import Asker
from agentfield.live.clients import ClientSide
from agentfield.live.feed import Feeds
from agentfield.live.hangups import HangUps
from agentfield.live.leases import Lease
from agentfield.live.owners import NodeOwners
from agentfield.live.registry import Registry
from agentfield.live.relay import Relay
from agentfield.live.start_tokens import StartTokens
from agentfield.live.streams import Streams
from agentfield.live.takeover import TakeOver
from agentfield.live.toolruns import ToolRuns
from agentfield.live.whole import Shared
from agentfield.nodes.engine import Nodes
from agentfield.process.groups import beside
from agentfield.providers.profiles import providers
from agentfield.rpc import convert
from agentfield.rpc.agent_service import AgentService
from agentfield.rpc.execution_service import ExecutionService
from agentfield.rpc.interceptors import interceptors
from agentfield.rpc.journal_service import JournalService
from agentfield.rpc.local import LocalTransport
from agentfield.rpc.node_service import NodeService
from agentfield.rpc.queries import Queries
from agentfield.rpc.rates import Rate
from agentfield.rpc.server import build_server, listen, services
from agentfield.rpc.server_service import ServerService
from agentfield.rpc.session_service import SessionService
from agentfield.rpc.workflow_service import WorkflowService
from agentfield.sessions import start_tokens, tokens
from agentfield.sessions.starting import SessionCeilings
from agentfield.store.calls import SqlCalls
from agentfield.store.commands import SqlCommands
from agentfield.store.database import Database, DatabaseUnreachable
from agentfield.store.executions import SqlExecutions
from agentfield.store.journal import SqlJournal
from agentfield.store.nodes import SqlNodes
from agentfield.store.replicas import SqlReplicas
from agentfield.store.sessions import SqlSessions
from agentfield.store.sqlite import SqliteDatabase
from agentfield.store.start_tokens import SqlStartTokens
from agentfield.store.work import SqlWork
from agentfield.store.workflows import SqlWorkflows

log = logging.getLogger("agentfield.app")
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A running server."""

    grpc_address: str
    http_address: str | None
    transport: LocalTransport
    """The way to it from this process."""


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[App]:
    """Run a server until the block is left, then drain it and take it down.

    Raises OSError when an address cannot be listened on.
    """
    async with AsyncExitStack() as stack:
        database, hints = await _database(stack, config)
        yield await stack.enter_async_context(serving(config, database, hints))


@asynccontextmanager
async def serving(config: Config, database: Database, hints: Hints) -> AsyncIterator[App]:
    """Run a server as ``running`` does, on a database that others may use as well."""
    async with AsyncExitStack() as stack:
        lease = Lease(SqlReplicas(database), hints, alone=database.is_exclusive)
        await lease.join()
        executions, work = SqlExecutions(database), SqlWork(database)
        node_store = SqlNodes(database)
        engine = Engine(store=executions, nodes=node_store, hints=hints, limits=config.limits)
        dispatcher = Dispatcher(
            store=work, hints=hints, clock=database.now, replica_id=lambda: lease.replica_id
        )
        sweeper = Sweeper(
            executions=executions,
            work=work,
            hints=hints,
            agent_grace=config.agent_grace,
            registration_lease=config.registration_lease,
        )
        await work.see_off_gone()
        commands, sessions = SqlCommands(database), SqlSessions(database)
        asker = Asker(commands, sessions=sessions, hints=hints, lease=lease)
        shared = await _shared(
            stack,
            config,
            store=sessions,
            engine=engine,
            dispatcher=dispatcher,
            asker=asker,
            lease=lease,
            hints=hints,
        )
        registry = Registry(shared, _hang_ups(shared, database), retention=config.retention)
        relay = Relay(registry, asker, commands, dispatcher.places)
        take_over = TakeOver(registry)
        if lease.alone:  # else it is renewed from the beginning, however much there is to take
            await take_over.look()

        policy, most = policy_of(config.agent_networks), config.limits.max_payload_bytes
        nodes = Nodes(store=node_store, addresses=policy, max_payload_bytes=most)
        calls = HttpCalls(
            store=SqlCalls(database),
            engine=engine,
            hints=hints,
            client=await stack.enter_async_context(AgentClient(policy, max_bytes=most)),
            clock=database.now,
            replica_id=lambda: lease.replica_id,
            agent_grace=config.agent_grace,
            heartbeat_timeout=config.heartbeat_timeout,
        )
        await calls.begin()
        journal = Journal(
            store=SqlJournal(database), engine=engine, hints=hints, limits=config.limits
        )
        workflows = Workflows(store=SqlWorkflows(database), nodes=node_store)
        health = health_aio.HealthServicer()
        owners = NodeOwners(node_store)
        served_pairs = frozenset((p.provider, p.transport) for p in pairs() if p.served)
        starts = StartTokens(SqlStartTokens(database), node_store, config.keyring, served_pairs)
        clients = ClientSide(
            registry,
            relay,
            owners=owners,
            nodes=node_store,
            matrix=convert.matrix(),
            served=served_pairs,
            ceilings=SessionCeilings(
                per_target=config.max_sessions_per_target, per_caller=config.max_sessions_per_caller
            ),
            limits=config.limits,
        )
        holders = {tokens.PREFIX: clients.token_holder, start_tokens.PREFIX: starts.holder}
        chain = interceptors(config.keyring, holders, Rate(config.rate_limit, time.monotonic))
        server_service = ServerService(config)
        served = services(
            [
                SessionService(clients, starts, workflows),
                ExecutionService(engine),
                WorkflowService(workflows, Queries(engine, workflows, clients)),
                NodeService(nodes, dispatcher, calls.registered, lease=config.registration_lease),
                JournalService(journal),
                AgentService(dispatcher, AgentSide(registry, relay, owners), config),
                server_service,
            ],
            health,
        )
        server = build_server(served, chain, max_payload_bytes=config.limits.max_payload_bytes)
        grpc_address = listen(server, config.grpc_bind, config.tls)
        await server.start()
        stack.push_async_callback(server.stop, STOP_SECONDS)
        transport = LocalTransport(served, chain)
        http_address = await _gateway(stack, transport, config)
        server_service.announce(http_address)
        background = {
            "dispatcher": dispatcher.run(),
            "calls": calls.run(),
            "sweeper": sweeper.run(),
            "sessions": registry.run(),
            "feeds": shared.feeds.run(registry.runs),
            "streams": shared.streams.run(registry.runs, registry.look),
            "commands": relay.run(),
            "take-over": take_over.run(),
            "lease": lease.run(registry.let_all_go, dispatcher.send_on),
        }
        await stack.enter_async_context(beside(background))
        await health.set("", health_pb2.HealthCheckResponse.SERVING)
        stack.push_async_callback(lease.leave)
        stack.push_async_callback(calls.shut_down)
        stack.push_async_callback(_drain, health, engine, asker, registry, dispatcher)
        yield App(grpc_address=grpc_address, http_address=http_address, transport=transport)


async def _database(stack: AsyncExitStack, config: Config) -> tuple[Database, Hints]:
    if not config.database_url:
        return await stack.enter_async_context(SqliteDatabase(config.data_dir)), InProcessBus()
    try:
        from agentfield.store.postgres import PostgresDatabase
    except ModuleNotFoundError as error:
        raise DatabaseUnreachable(
            f"PostgreSQL needs {error.name}: pip install 'agentfield-sessions[postgres]'."
        ) from None
    database = await stack.enter_async_context(PostgresDatabase(config.database_url))
    return database, PostgresBus(database)


async def _shared(
    stack: AsyncExitStack,
    config: Config,
    *,
    store: SqlSessions,
    engine: Engine,
    dispatcher: Dispatcher,
    asker: Asker,
    lease: Lease,
    hints: Hints,
) -> Shared:
    # Every live call holds a connection: its own limits are the sessions' alone.
    connector = aiohttp.TCPConnector(limit=0)
    http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
    known = providers(config.environment, http)
    for provider in known.values():
        facts = {"provider": provider.name, "transport": provider.transport}
        if not provider.has_key:
            log.warning("no key for a provider", extra=facts | {"variable": provider.key_variable})
    streams = Streams(lease, hints)
    return Shared(
        store=store,
        feeds=Feeds(store, streams, hints),
        hints=hints,
        workers=dispatcher.places,
        elsewhere=asker,
        lease=lease,
        streams=streams,
        runs=ToolRuns(engine),
        providers=known,
        agent_grace=config.agent_grace,
        presence_grace=config.presence_grace,
    )


def _hang_ups(shared: Shared, database: Database) -> HangUps:
    return HangUps(
        store=shared.store,
        hints=shared.hints,
        lease=shared.lease,
        providers=shared.providers,
        clock=database.now,
    )


async def _drain(
    health: health_aio.HealthServicer,
    engine: Engine,
    asker: Asker,
    registry: Registry,
    dispatcher: Dispatcher,
) -> None:
    log.info("draining")
    await health.enter_graceful_shutdown()
    engine.drain()
    asker.drain()
    await registry.drain()
    await dispatcher.shut_down()


async def _gateway(stack: AsyncExitStack, transport: LocalTransport, config: Config) -> str | None:
    if config.http_bind is None:
        return None
    from agentfield_gateway import GatewayConfig, serve

    gateway = GatewayConfig(
        http_bind=config.http_bind,
        tls=config.tls,
        allowed_hosts=config.allowed_hosts,
        cors_origins=config.cors_origins,
        max_body_bytes=config.limits.max_payload_bytes + 64 * 1024,
    )
    return await stack.enter_async_context(serve(transport, gateway))
