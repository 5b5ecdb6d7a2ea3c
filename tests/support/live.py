"""What the tests of the live side share: a node that does what a test does, and its sessions.

Words are put into the caller's mouth by the simulator; media flows only where a test needs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import grpc

from agentfield.contract.status import error_from_rpc
from agentfield.simulator import Entry
from agentfield.testing import (
    PATIENCE,
    ControlPlane,
    Script,
    ScriptedFunction,
    ScriptedHandler,
    ScriptedWorker,
    SessionLog,
    Simulator,
    control_plane,
    simulator,
)
from agentfield.v1 import session_pb2
from agentfield.v1 import session_service_pb2 as pb
from agentfield_sdk import Client, Session, SessionEvent
from agentfield_sdk.values import value_of
from support.tasks import Meanwhile, meanwhile
from support.voice import is_hang_up

T = TypeVar("T")

SCRIPT = Script()


def declared(
    name: str = "voice",
    *,
    tools: Sequence[str] = ("find",),
    limits: Mapping[str, float] | None = None,
    has_handler: bool = True,
    **facts: Any,
) -> session_pb2.SessionDeclaration:
    """Return a declaration; limits are in seconds."""
    declaration = session_pb2.SessionDeclaration(
        name=name,
        provider="openai",
        transport="webrtc",
        model="gpt-realtime-2",
        modalities=["audio"],
        tools=tools,
        has_handler=has_handler,
        **facts,
    )
    for limit, seconds in (limits or {}).items():
        getattr(declaration.limits, limit).FromMilliseconds(round(seconds * 1000))
    return declaration


# Without an address to send to: media never flows.
SDP = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 127.0.0.1",
        "a=sendrecv",
        "a=mid:0",
        "a=rtcp-mux",
        "a=rtpmap:96 opus/48000/2",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}",
        "a=setup:actpass",
        "",
    ]
)

VOICE, PLAIN = declared(), declared("plain", has_handler=False)


def sdp(number: int = 1) -> str:
    """Return an offer, with other bytes for each number."""
    return f"{SDP}a=note:{number}\r\n"


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = PATIENCE) -> None:
    """Wait until something that nobody announces is so."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


class Line:
    """One session, as whoever started it has it."""

    def __init__(self, desk: Desk, started: pb.StartSessionResponse) -> None:
        self.desk = desk
        self.plane = desk.plane
        self.started = started
        self.session_id = started.session_id
        self.log = SessionLog()
        self._stream: Any = None

    async def offer(self, number: int = 1) -> str:
        """Offer, with other bytes for each number, and return the answer."""
        request = pb.RealtimeOfferRequest(session_id=self.session_id, offer_sdp=sdp(number))
        answer: pb.RealtimeOfferResponse = await self.plane.call(
            self.plane.sessions.RealtimeOffer, request
        )
        return answer.answer_sdp

    async def connect(self) -> Line:
        """Offer, and wait until the session is live."""
        await self.offer()
        await self.log_until("session.live", keep=True)
        return self

    async def say(self, words: str, *, lasts_ms: int = 100) -> None:
        """Have the caller say something."""
        self.desk.provider.speak(await self.external_id(), words, lasts_ms=lasts_ms)

    async def until(self, type_: str, /, **facts: Any) -> SessionEvent:
        """Return the first such event that was not returned before."""
        return await self.log_until(type_, **facts)

    async def log_until(self, type_: str, /, *, keep: bool = False, **facts: Any) -> SessionEvent:
        """Return the first such event; with ``keep`` it can be had again."""
        self._stream = self._stream or self.watch()
        async with self.log.patience(type_, facts, PATIENCE):
            while (found := self.log.take(type_, facts, keep=keep)) is None:
                message = await self._stream.read()
                if message is grpc.aio.EOF:
                    raise self.log.failure(type_, facts, "before the watch ended")
                self.log.add(value_of(message.event))
            return found

    def follow_from(self, after: int) -> None:
        """Watch again, from after a number on: the watch before was sent on."""
        self._stream = self.watch(after)

    def watch(self, after: int = 0) -> Any:
        """Open a watch, with the key and not the token."""
        request = pb.WatchSessionRequest(session_id=self.session_id, after_sequence=after)
        return self.plane.sessions.WatchSession(request, metadata=self.plane.metadata)

    async def read(self, after: int = 0) -> list[SessionEvent]:
        """Watch to the end, from after a number on, and return what came."""
        try:
            async with asyncio.timeout(PATIENCE):
                return [value_of(message.event) async for message in self.watch(after)]
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None

    async def types(self) -> list[str]:
        """Return the types of an ended session's log."""
        return [event.type for event in await self.read()]

    async def get(self) -> Session:
        """Return the session as it is now."""
        return await self.desk.client.sessions.get(self.session_id)

    async def external_id(self) -> str:
        """Return the provider's id of its newest call."""
        return (await self.get()).provider_calls[-1].external_id

    async def calls(self) -> list[str]:
        """Return the states of its provider calls."""
        return [call.state for call in (await self.get()).provider_calls]

    async def calls_are(self, *states: str, seconds: float = PATIENCE) -> None:
        """Wait until its provider calls are in these states."""

        async def so() -> bool:
            return await self.calls() == list(states)

        await until(so, seconds=seconds)

    async def ended(self) -> str:
        """Wait for the end and return its reason."""
        event = await self.log_until("session.ended", keep=True)
        return str(event.data["reason"])

    async def end(self, **options: Any) -> None:
        """EndSession."""
        request = pb.EndSessionRequest(session_id=self.session_id, **options)
        await self.plane.call(self.plane.sessions.EndSession, request)

    async def invoke(self, tool: str, **options: Any) -> pb.InvokeToolResponse:
        """InvokeTool."""
        request = pb.InvokeToolRequest(session_id=self.session_id, tool=tool, **options)
        answer: pb.InvokeToolResponse = await self.plane.call(
            self.plane.sessions.InvokeTool, request
        )
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A control plane, the provider behind it, and a node ``desk`` that does nothing by itself."""

    plane: ControlPlane
    provider: Simulator
    worker: ScriptedWorker
    client: Client
    beside: Meanwhile

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Have something done while the test goes on; it is over before the desk is gone."""
        return self.beside.begin(work)

    async def start(self, name: str = "voice", **options: Any) -> Line:
        """Start a session of this node, or of the one that is named as well."""
        target = name if "." in name else f"desk.{name}"
        request = pb.StartSessionRequest(target=target, **options)
        return Line(self, await self.plane.call(self.plane.sessions.StartSession, request))

    async def led(self, name: str = "voice") -> tuple[Line, ScriptedHandler]:
        """Start a session, lead it, and have it go live."""
        line = await self.start(name)
        handler = await self.worker.lead()
        return await line.connect(), handler

    def colleague(self, *sessions: session_pb2.SessionDeclaration) -> ScriptedWorker:
        """Return another worker of the node, to be connected."""
        return ScriptedWorker(self.plane, "desk", "find", instance_id="w2", sessions=sessions)

    def hang_ups(self) -> list[str]:
        """Return the provider's ids of the calls it was asked to end, each time it was."""
        asked = filter(is_hang_up, self.provider.journal.entries(direction="received"))
        return [entry.body["path"].split("/")[-2] for entry in asked]

    async def hung_up(self, external_id: str) -> Entry:
        """Wait until the provider has been asked to end a call."""
        return await self.provider.journal.until(
            lambda entry: is_hang_up(entry) and f"/{external_id}/" in entry.body["path"]
        )

    def sent(self, type_: str) -> list[Entry]:
        """Return what the sidebands have sent to the provider."""
        return list(
            self.provider.journal.entries(type_, direction="received", connection="sideband")
        )

    async def has_sent(self, type_: str, **facts: Any) -> Entry:
        """Wait for a frame of a sideband to the provider."""
        return await self.provider.journal.until(partial(_is_frame, type_, facts))

    async def offered(self, count: int = 1) -> None:
        """Wait until the provider has been asked for so many calls."""

        async def so() -> bool:
            return len(self.offers()) >= count

        await until(so)

    def offers(self) -> list[Entry]:
        """Return the provider's requests for calls."""
        entries = self.provider.journal.entries(direction="received", connection="http")
        return [entry for entry in entries if entry.body.get("path") == "/v1/realtime/calls"]


def _is_frame(type_: str, facts: Mapping[str, Any], entry: Entry) -> bool:
    is_ours = entry.direction == "received" and entry.connection.startswith("sideband")
    return is_ours and entry.type == type_ and facts.items() <= entry.body.items()


@asynccontextmanager
async def desk(
    *flags: str,
    script: Script = SCRIPT,
    functions: Sequence[str | ScriptedFunction] = ("find",),
    sessions: Sequence[session_pb2.SessionDeclaration] = (VOICE, PLAIN),
    gateway: bool = False,
) -> AsyncIterator[Desk]:
    """Give a test its desk. Callers without media never leave by themselves."""
    http = () if gateway else ("--http-bind=none",)
    async with (
        simulator(
            script=script if gateway else replace(script, tells_of_leaving=False)
        ) as provider,
        control_plane(*http, *flags, simulator=provider) as plane,
        ScriptedWorker(plane, "desk", *functions, sessions=sessions) as worker,
        Client(plane.grpc_address) as client,
        meanwhile() as beside,
    ):
        yield Desk(plane=plane, provider=provider, worker=worker, client=client, beside=beside)
