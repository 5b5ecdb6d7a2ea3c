"""A caller: places a call as a page does, over real WebRTC, and follows the session's log."""

from __future__ import annotations

__all__ = ["Reachable", "VoiceCall", "calling"]

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, Protocol

import aiohttp

from agentfield.simulator import Simulator
from agentfield.simulator import caller as webrtc
from agentfield.simulator.tasks import owned_tasks
from agentfield.testing.log import LOG_TITLE, SessionLog
from agentfield.testing.plane import PATIENCE
from agentfield.testing.story import Step, ToolCall, tool_calls, tree
from agentfield.v1 import errors
from agentfield_sdk import Client, Session, SessionEvent


class Reachable(Protocol):
    """A control plane, in this process or not."""

    @property
    def grpc_address(self) -> str:
        """``host:port``."""

    @property
    def http_address(self) -> str | None:
        """``host:port`` of its gateway."""

    @property
    def simulator(self) -> Simulator | None:
        """The provider behind it, if it runs in this process."""


class VoiceCall:
    """A call in progress, and afterwards what there is to know of it."""

    def __init__(
        self,
        *,
        client: Client,
        gateway: _Gateway,
        caller: webrtc.Caller,
        started: Mapping[str, Any],
        simulator: Simulator | None,
    ) -> None:
        self.session_id: str = started["session_id"]
        self.run_id: str = started["run_id"]
        self.started = started
        """The answer to the start, as JSON."""
        self.provider_call_id = ""
        """The provider's id of the call, when it is connected."""
        self.caller = caller
        """The end of the connection that speaks and hears."""
        self.log = SessionLog()
        self._client = client
        self._gateway = gateway
        self._simulator = simulator

    @property
    def events(self) -> Sequence[SessionEvent]:
        """What has been seen of the log."""
        return self.log.events

    def speak(self, *, lasts_ms: int = 400) -> None:
        """Speak, for so long: real audio, heard as what the simulator's script says comes next."""
        self.caller.speak(lasts_ms=lasts_ms)

    def say(self, words: str, *, lasts_ms: int = 300) -> None:
        """Have the simulator hear these words, without any audio.

        Raises ValueError where the provider is no simulator of this process.
        """
        if self._simulator is None:
            raise ValueError("Words need a simulator: control_plane(simulator=...).")
        self.caller.attend()
        self._simulator.speak(self.provider_call_id, words, lasts_ms=lasts_ms)

    async def hears_voice(self, *, seconds: float = PATIENCE) -> None:
        """Wait until the agent is heard: real audio.

        It may have been heard already, since the caller last spoke or waited for voice or silence.
        Raises AssertionError as ``until`` does.
        """
        heard = self.caller.hears_voice(seconds=None)
        await self.log.during(heard, "The agent was not heard", seconds=seconds)

    async def hears_silence(self, *, seconds: float = PATIENCE) -> None:
        """Wait until the agent is not heard. Raises AssertionError as ``until`` does."""
        silent = self.caller.hears_silence(seconds=None)
        await self.log.during(silent, "The agent did not fall silent", seconds=seconds)

    async def until(
        self, type_: str, /, *, seconds: float = PATIENCE, **facts: Any
    ) -> SessionEvent:
        """Return the first event of a type, with these facts in its data, that is still to be had.

        Each event is returned once, whether it came before or comes yet. Raises AssertionError,
        which shows the log, when it does not come.
        """
        return await self.log.until(type_, facts, seconds=seconds)

    async def invoke(self, tool: str, **arguments: Any) -> str:
        """Call a tool as the page does, and return its execution's id."""
        path = self.started["tool_url"].replace("{tool}", tool)
        answer = json.loads(await self._gateway.post(path, json={"input": arguments}))
        return str(answer["execution_id"])

    async def hang_up(self, *, seconds: float = PATIENCE) -> None:
        """End the session as its page does, and wait for its last event."""
        await self._gateway.post(f"/api/v1/session-instances/{self.session_id}/end", json={})
        await self.ended(seconds=seconds)

    async def ended(self, *, seconds: float = PATIENCE) -> str:
        """Wait until the session has ended and return why: ``client_hangup`` and so on."""
        event = await self.log.until("session.ended", {}, seconds=seconds, keep=True)
        return str(event.data["reason"])

    async def session(self) -> Session:
        """Return the session as it is now."""
        return await self._client.sessions.get(self.session_id)

    async def turns(self) -> list[tuple[str, str]]:
        """Return who (``user``, ``agent``) said what, in the order of the conversation."""
        return [(turn.role, turn.text) for turn in (await self.session()).turns]

    async def tools(self) -> Sequence[ToolCall]:
        """Return the tool calls so far."""
        session = await self.session()
        await self.log.reaches(session.last_sequence, seconds=PATIENCE)
        return tool_calls(self.events)

    async def workflow(self) -> Step:
        """Return the session's execution with everything that was called because of it."""
        return tree((await self._client.workflow(self.run_id)).executions)


class _Gateway:
    """REST as a page speaks it."""

    def __init__(self, http: aiohttp.ClientSession, token: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def post(self, path: str, **body: Any) -> str:
        """Return the body of the answer. Raises the error of its reason."""
        async with self._http.post(path, headers=self._headers, **body) as response:
            if response.ok:
                return await response.text()
            told = await response.json()
            kind = errors.BY_REASON.get(told["reason"], errors.Internal)
            raise kind(told["message"], metadata=told["details"])


@asynccontextmanager
async def calling(
    plane: Reachable,
    target: str,
    *,
    api_key: str = "",
    data_channel: bool = False,
    host: str | None = None,
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[VoiceCall]:
    """Start a session of ``node.session``, place its call, and hang up when the block is left.

    Starting takes the key, everything after it the session's token, as in a page. ``options`` are
    members of the start's body (``metadata``, ``voice``); ``headers`` go with every request, for
    instance a ``traceparent``. ``host`` is the one address at which the
    caller's media is received; simulators of this process have settled that. The block begins with
    the first audio, of whatever it is, or when the session has ended before. Raises the error of
    the reason for which the gateway refuses; what the block raises carries the session's log.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        address = f"http://{plane.http_address}"
        http = await enter(aiohttp.ClientSession(address, headers=headers))
        client = await enter(Client(plane.grpc_address, api_key=api_key))
        caller = await enter(webrtc.calling(data_channel=data_channel, host=host))
        path = f"/api/v1/session-targets/{target}/start"
        started = json.loads(await _Gateway(http, api_key).post(path, json=options))
        token = started["session_token"]
        gateway, simulator = _Gateway(http, token), plane.simulator
        call = VoiceCall(
            client=client, gateway=gateway, caller=caller, started=started, simulator=simulator
        )
        await enter(_followed(call, await enter(Client(plane.grpc_address, api_key=token))))
        stack.push_async_exit(partial(_over, call))
        await _connect(call, gateway)
        yield call


async def _over(call: VoiceCall, _: object, error: BaseException | None, __: object) -> None:
    """Hang up, and have what the block raised carry the session's log."""
    if error is None:
        await call.hang_up()
        return
    if LOG_TITLE not in str(error):
        error.add_note(f"{LOG_TITLE}\n{call.log}")
    with suppress(aiohttp.ClientError, errors.AgentFieldError, AssertionError):
        await call.hang_up()


@asynccontextmanager
async def _followed(call: VoiceCall, watching: Client) -> AsyncIterator[None]:
    async with owned_tasks() as tasks:
        following = tasks.create_task(_follow(call, watching), name="follow the session")
        try:
            yield
        finally:
            following.cancel()


async def _connect(call: VoiceCall, gateway: _Gateway) -> None:
    """Make the offer, and wait until the session is live and audio comes, or until its end."""
    offer = await call.caller.offer()
    try:
        await call.caller.take(await gateway.post(call.started["offer_url"], data=offer))
        await call.log.until("session.live", {}, seconds=PATIENCE, keep=True)
        anything = call.caller.hears_anything(seconds=None)
        await call.log.during(anything, "No audio came", seconds=PATIENCE)
    except errors.SessionEnded:
        await call.ended()
    except AssertionError:
        if not call.log.ended:
            raise
    for placed in (await call.session()).provider_calls:
        call.provider_call_id = placed.external_id


async def _follow(call: VoiceCall, watching: Client) -> None:
    """Take in the log until its end."""
    try:
        async for event in watching.sessions.watch(call.session_id):
            call.log.add(event)
    except errors.AgentFieldError as error:
        call.log.close(f"before the watch failed ({error})")
    call.log.close("before the watch ended")
