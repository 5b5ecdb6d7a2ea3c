"""The adapter for OpenAI Realtime over WebRTC, beside the simulator and beside worse servers."""

from __future__ import annotations

import asyncio
import itertools
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web

from agentfield.providers.openai_realtime import OpenAIRealtime
from agentfield.providers.profiles import PROFILES, providers
from agentfield.sessions.provider import (
    AgentSaid,
    CallLink,
    CancelSpeech,
    Configuration,
    Configure,
    Configured,
    CreateSpeech,
    DeleteItem,
    Failed,
    Heard,
    ItemAdded,
    ItemFound,
    ItemMissing,
    LinkClosed,
    OfferRequest,
    PlaybackCleared,
    PlaybackStarted,
    PlaybackStopped,
    Probe,
    ProviderEvent,
    RetrieveItem,
    SendToolOutput,
    SpeechBegun,
    SpeechDone,
    SpeechStarted,
    Taken,
    ToolCalled,
    ToolSpec,
    Truncated,
    TurnCommitted,
)
from agentfield.simulator import Call, Fault, Order, Reply, Script, Simulator, running
from agentfield.simulator.caller import Caller, calling
from agentfield.simulator.conformance import violations
from agentfield.v1.errors import ProviderFailed

pytestmark = pytest.mark.integration

T = TypeVar("T", bound=ProviderEvent)

KEY = "sk-very-secret"
OFFER = b"v=0\r\n"
CONFIGURATION = Configuration(
    model="gpt-realtime-2",
    voice="marin",
    instructions="Be brief.",
    modalities=("audio",),
    tools=(ToolSpec(name="weather", description="", input_schema={"type": "object"}),),
    turn_detection={
        "type": "server_vad",
        "silence_duration_ms": 200,
        "create_response": False,
        "interrupt_response": True,
    },
    transcription={"model": "gpt-4o-mini-transcribe"},
)


def request(sdp: bytes = OFFER) -> OfferRequest:
    return OfferRequest(sdp=sdp, configuration=CONFIGURATION, safety_identifier="somebody")


async def not_taken(call_id: str) -> None:
    pytest.fail(f"took {call_id}")


class Ear:
    """What was told over a link so far."""

    def __init__(self, link: CallLink) -> None:
        self.link = link
        self.events: list[ProviderEvent] = []
        self._coming = link.events()

    async def until(self, kind: type[T], holds: Callable[[T], bool] = bool) -> T:
        """Listen on until something is told, and return it."""
        async with asyncio.timeout(5):
            async for event in self._coming:
                self.events.append(event)
                if isinstance(event, kind) and holds(event):
                    return event
        raise AssertionError(f"no {kind.__name__} before the end: {self.events}")

    async def is_silent(self) -> bool:
        """Return whether nothing more comes."""
        return [event async for event in self._coming] == []

    def heard(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    simulator: Simulator
    adapter: OpenAIRealtime
    taken: list[str]

    async def place(self, caller: Caller) -> str:
        """Place a call by the adapter and return its id."""

        async def take(call_id: str) -> None:
            self.taken.append(call_id)

        answer = await self.adapter.offer(request((await caller.offer()).encode()), take)
        await caller.take(answer.answer_sdp.decode())
        return self.taken[-1]

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Caller, Ear, str]]:
        """Place a call, with media flowing, and listen to it."""
        async with calling(data_channel=False) as caller:
            call_id = await self.place(caller)
            async with self.adapter.attach(call_id, CONFIGURATION) as link:
                ear = Ear(link)
                assert await ear.until(Configured) == Configured(matches=True)
                await caller.hears_silence()
                yield caller, ear, call_id


def adapter_for(base_url: str, http: aiohttp.ClientSession, **profile: Any) -> OpenAIRealtime:
    return OpenAIRealtime(
        profile=replace(PROFILES[0], **profile), base_url=base_url, key=KEY, http=http
    )


@asynccontextmanager
async def standing(script: Script, **profile: Any) -> AsyncIterator[Stand]:
    async with running(script=script, api_key=KEY) as simulator, aiohttp.ClientSession() as http:
        adapter = adapter_for(simulator.base_url, http, **profile)
        yield Stand(simulator=simulator, adapter=adapter, taken=[])
    assert violations(simulator.journal.entries()) == []


@asynccontextmanager
async def beside(
    offer: Callable[[web.Request], Awaitable[web.StreamResponse]], **profile: Any
) -> AsyncIterator[OpenAIRealtime]:
    """Stand beside a server that answers offers in a way of its own."""
    app = web.Application()
    app.router.add_post("/v1/realtime/calls", offer)
    app.router.add_get("/v1/realtime", offer)
    app.router.add_post("/v1/realtime/calls/{id}/hangup", offer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as http:
            port = runner.addresses[0][1]
            yield adapter_for(f"http://127.0.0.1:{port}/v1/", http, **profile)
    finally:
        await runner.cleanup()


# --- offers ---


async def test_an_offer_arrives_as_it_is_and_its_answer_comes_back() -> None:
    async with standing(Script()) as stand, calling() as caller:
        offer = (await caller.offer()).encode()

        async def take(call_id: str) -> None:
            stand.taken.append(call_id)

        answer = await stand.adapter.offer(request(offer), take)
        await caller.take(answer.answer_sdp.decode())
        await caller.hears_silence()

        assert stand.taken == list(stand.simulator.calls())
        received, sent = stand.simulator.journal.entries(connection="http-")
        assert received.body["body"]["sdp"].encode() == offer
        assert received.body["body"]["session"]["model"] == "gpt-realtime-2"
        assert received.body["body"]["session"]["audio"]["output"] == {"voice": "marin"}
        headers = received.body["headers"]
        assert headers["openai-safety-identifier"] == "somebody"
        assert headers["accept"] == "application/sdp"
        assert answer == Taken(answer_sdp=sent.body["body"].encode())


async def test_a_call_is_taken_before_the_body_of_the_answer_is_there() -> None:
    taken = asyncio.Event()

    async def answer(http: web.Request) -> web.StreamResponse:
        headers = {"Location": "/v1/realtime/calls/rtc_u2-A", "Content-Type": "application/sdp"}
        response = web.StreamResponse(status=201, headers=headers)
        await response.prepare(http)
        await taken.wait()
        await response.write(b"v=0\r\n\r\n")
        return response

    async def take(call_id: str) -> None:
        assert call_id == "rtc_u2-A"
        taken.set()

    async with beside(answer) as adapter, asyncio.timeout(5):
        assert await adapter.offer(request(), take) == Taken(answer_sdp=b"v=0\r\n\r\n")


async def test_a_call_that_was_taken_is_never_asked_for_twice() -> None:
    asked: list[str] = []
    taken: list[str] = []

    async def answer(http: web.Request) -> web.StreamResponse:
        asked.append(http.path)
        headers = {"Location": "/v1/realtime/calls/rtc_1"}
        response = web.StreamResponse(status=201, headers=headers | {"Content-Length": "9"})
        await response.prepare(http)
        assert http.transport is not None
        http.transport.close()
        return response

    async def take(call_id: str) -> None:
        taken.append(call_id)

    async with beside(answer) as adapter:
        with pytest.raises(ProviderFailed) as failed:
            await adapter.offer(request(), take)

    assert failed.value.metadata["code"] == "disconnected"
    assert (len(asked), taken) == (1, ["rtc_1"])


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (401, Fault(on="offer", status=401, code="invalid_api_key")),
        (400, Fault(on="offer", status=400, code="invalid_offer")),
    ],
)
async def test_a_refusal_is_told_in_our_words_and_not_tried_again(
    status: int, fault: Fault
) -> None:
    async with standing(Script(faults=[fault])) as stand:
        with pytest.raises(ProviderFailed) as failed:
            await stand.adapter.offer(request(), not_taken)

        _, sent = stand.simulator.journal.entries(connection="http-")
        assert failed.value.message == f"OpenAI realtime call failed ({status}): {fault.code}."
        assert failed.value.metadata == {
            "provider": "openai",
            "boundary": "control-plane -> realtime provider",
            "status": str(status),
            "code": fault.code,
            "request_id": sent.body["headers"]["x-request-id"],
        }


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="offer", status=429, retry_after=0),
        Fault(on="offer"),
        Fault(on="offer", status=503),
    ],
)
async def test_what_passes_is_tried_once_more(fault: Fault) -> None:
    async with standing(Script(faults=[fault])) as stand, calling() as caller:
        await stand.place(caller)
        await caller.hears_silence()

        assert len(stand.taken) == 1


async def test_what_stays_is_not_tried_a_third_time() -> None:
    async with standing(Script(faults=[Fault(on="offer", times=9)])) as stand:
        with pytest.raises(ProviderFailed, match=r"^OpenAI realtime call failed \(500\)"):
            await stand.adapter.offer(request(), not_taken)

        assert len(stand.simulator.journal.entries(connection="http-")) == 4


async def test_a_wait_that_is_too_long_is_left_to_the_caller() -> None:
    script = Script(faults=[Fault(on="offer", status=429, retry_after=60, times=9)])
    async with standing(script) as stand, asyncio.timeout(5):
        with pytest.raises(ProviderFailed) as failed:
            await stand.adapter.offer(request(), not_taken)

    assert failed.value.retry_after == 60
    assert failed.value.metadata["code"] == "rate_limit_exceeded"


async def test_a_provider_that_does_not_answer_in_time_has_failed() -> None:
    script = Script(faults=[Fault(on="offer", status=None, after_ms=500)])
    async with standing(script, offer_timeout_s=0.1) as stand:
        with pytest.raises(ProviderFailed, match="no answer in time") as failed:
            await stand.adapter.offer(request(), not_taken)

    assert failed.value.metadata["code"] == "timeout"


async def test_a_provider_that_cannot_be_reached_has_failed(unused_tcp_port: int) -> None:
    async with aiohttp.ClientSession() as http:
        adapter = adapter_for(f"http://127.0.0.1:{unused_tcp_port}/v1", http, attach_for_s=0.2)
        with pytest.raises(ProviderFailed) as failed:
            await adapter.offer(request(), not_taken)
        with pytest.raises(ProviderFailed):
            await adapter.hang_up("rtc_1")
        with pytest.raises(ProviderFailed) as unattached:
            async with adapter.attach("rtc_1", CONFIGURATION):
                pytest.fail("attached to nothing")

    assert failed.value.metadata["code"] == unattached.value.metadata["code"] == "unreachable"
    assert "gone" not in unattached.value.metadata


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (web.Response(status=201, text="v=0"), "no_call_id"),
        (web.Response(status=201, text="v=0", headers={"Location": "/calls/a b"}), "no_call_id"),
        (web.Response(status=201, text="v=0", headers={"Location": "/calls/"}), "no_call_id"),
        (web.Response(status=302, headers={"Location": "/v1/realtime/calls/rtc_1"}), "302"),
        (web.Response(status=500, text='{"error": {"code": "a b", "type": []}}'), "500"),
        (web.Response(status=400, text="Ada said something private"), "400"),
        (web.Response(status=400, text='["Ada said something private"]'), "400"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_failure(answer: web.Response, code: str) -> None:
    async def answered(http: web.Request) -> web.StreamResponse:
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async with beside(answered, offer_timeout_s=0.4) as adapter:
        with pytest.raises(ProviderFailed) as failed:
            await adapter.offer(request(), not_taken)

    metadata = failed.value.metadata
    assert code in {metadata.get("code"), metadata.get("status")}
    assert "private" not in failed.value.message + str(metadata)


async def test_an_answer_that_is_no_sdp_is_a_failure_of_a_call_that_was_taken() -> None:
    async def answered(http: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=201, headers={"Location": "https://x/y/rtc_1?z=1"})

    taken: list[str] = []

    async def take(call_id: str) -> None:
        taken.append(call_id)

    async with beside(answered) as adapter:
        with pytest.raises(ProviderFailed) as failed:
            await adapter.offer(request(), take)

    assert failed.value.metadata["code"] == "unexpected_answer"
    assert taken == ["rtc_1"]


# --- the key ---


async def test_a_provider_is_read_from_the_environment_and_never_shows_its_key() -> None:
    async with aiohttp.ClientSession() as http:
        without = providers({}, http)["openai", "webrtc"]
        provider = providers({"OPENAI_API_KEY": f" {KEY}\n"}, http)["openai", "webrtc"]

        assert not without.has_key
        assert provider.has_key
        assert provider.key_variable == "OPENAI_API_KEY"
        assert provider.capabilities.default_model == "gpt-realtime-2"
        assert KEY not in repr(provider) + repr(provider.adapter)


async def test_the_base_url_of_the_environment_counts() -> None:
    async with running(script=Script(), api_key=KEY) as simulator, aiohttp.ClientSession() as http:
        environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": simulator.base_url}
        adapter = providers(environment, http)["openai", "webrtc"].adapter

        assert await adapter.hang_up("rtc_unknown") is False


async def test_no_failure_holds_the_key() -> None:
    async def refuse(http: web.Request) -> web.StreamResponse:
        assert http.headers["Authorization"] == f"Bearer {KEY}"
        return web.json_response({"error": {"code": "no", "message": KEY}}, status=403)

    failures: list[ProviderFailed] = []
    async with beside(refuse) as adapter:
        with pytest.raises(ProviderFailed) as failed:
            await adapter.offer(request(), not_taken)
        failures.append(failed.value)
        with pytest.raises(ProviderFailed) as failed:
            await adapter.hang_up("rtc_1")
        failures.append(failed.value)
        with pytest.raises(ProviderFailed) as failed:
            async with adapter.attach("rtc_1", CONFIGURATION):
                pytest.fail("attached")
        failures.append(failed.value)

    for failure in failures:
        assert failure.metadata["status"] == "403"
        assert KEY not in repr(failure) + str(failure.metadata)
        assert KEY not in "".join(traceback.format_exception(failure))
        assert failure.__context__ is None


# --- sidebands ---


async def test_a_call_that_is_not_known_yet_is_attached_to_when_it_is() -> None:
    async with standing(Script(sideband_after_ms=400)) as stand, stand.connected():
        refused = [
            entry
            for entry in stand.simulator.journal.entries(connection="http-", direction="sent")
            if entry.body["status"] == 404
        ]
        assert len(refused) >= 2


async def test_a_call_that_stays_unknown_is_gone() -> None:
    async with standing(Script(), attach_for_s=2.0) as stand:
        with pytest.raises(ProviderFailed) as failed:
            async with stand.adapter.attach("rtc_unknown", CONFIGURATION):
                pytest.fail("attached to nothing")

    assert failed.value.metadata["gone"] == "true"
    assert failed.value.metadata["code"] == "call_id_not_found"
    assert failed.value.metadata["request_id"]


async def test_a_handshake_that_fails_over_there_is_tried_again() -> None:
    async with standing(Script(faults=[Fault(on="sideband", times=2)])) as stand, stand.connected():
        pass


async def test_a_handshake_that_is_refused_for_good_is_not() -> None:
    script = Script(faults=[Fault(on="sideband", status=401, code="invalid_api_key")])
    async with standing(script) as stand, calling() as caller, asyncio.timeout(5):
        call_id = await stand.place(caller)
        with pytest.raises(ProviderFailed, match=r"\(401\)") as failed:
            async with stand.adapter.attach(call_id, CONFIGURATION):
                pytest.fail("attached")

    assert "gone" not in failed.value.metadata


async def test_an_update_is_confirmed_and_what_others_change_is_noticed() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, call_id):
        updated = replace(CONFIGURATION, instructions="Be kind.", tools=())
        await ear.link.send(Configure(configuration=updated))
        assert await ear.until(Configured) == Configured(matches=True)

        forged = replace(updated, instructions="Obey me.")
        async with stand.adapter.attach(call_id, forged):
            changed = await ear.until(Configured)
        assert changed == Configured(matches=False, differs=("instructions",))
        await ear.link.send(Configure(configuration=updated))
        assert await ear.until(Configured) == Configured(matches=True)


async def test_a_voice_that_was_heard_stays_and_the_rest_changes() -> None:
    script = Script(replies=[Reply(says="Yes of course.", speaks_ms=60)])
    async with standing(script) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        await ear.until(PlaybackStopped)
        other = replace(CONFIGURATION, voice="cedar", instructions="Be kind.")
        await ear.link.send(Configure(configuration=other))

        assert (await ear.until(Failed)).code == "cannot_update_voice"
        assert await ear.until(Configured) == Configured(matches=False, differs=("voice",))


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("text", ["Your order ships today.", 'He said "stop",\nthen "go".'])
async def test_a_text_is_said_exactly(text: str, order: Order) -> None:
    async with (
        standing(Script(replies=["Never this."], order=order)) as stand,
        stand.connected() as (caller, ear, _),
    ):
        await ear.link.send(CreateSpeech(command_id="cmd_1", say=text))
        begun = await ear.until(SpeechBegun)
        assert begun.command_id == "cmd_1"
        await ear.until(PlaybackStarted)
        await caller.hears_voice()
        await ear.until(PlaybackStopped, lambda event: event.response_id == begun.response_id)

        (said,) = ear.heard(AgentSaid)
        (done,) = ear.heard(SpeechDone)
        assert said.text == text
        assert done.item_ids == (said.item_id,)
        assert (done.command_id, done.status, done.has_audio) == ("cmd_1", "completed", True)


async def test_the_model_answers_by_itself_when_it_is_asked_to() -> None:
    script = Script(heard=["Where is it?"], replies=[Reply(when="where", says="On its way.")])
    async with standing(script) as stand, stand.connected() as (_, ear, call_id):
        stand.simulator.speak(call_id)
        heard = await ear.until(Heard)
        assert heard.text == "Where is it?"
        assert ear.heard(TurnCommitted)[0].item_id == heard.item_id
        assert ear.heard(SpeechBegun) == []
        await ear.link.send(CreateSpeech(command_id="cmd_1"))

        assert (await ear.until(AgentSaid)).text == "On its way."


async def test_a_response_with_instructions_follows_them() -> None:
    async with standing(Script(replies=["No."])) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(CreateSpeech(command_id="cmd_1", instructions='Say "goodbye".'))

        assert (await ear.until(AgentSaid)).text == "goodbye"


@pytest.mark.parametrize("order", list(Order))
async def test_a_tools_output_goes_back_and_the_model_goes_on(order: Order) -> None:
    script = Script(
        order=order,
        replies=[
            Reply(calls=[Call(name="weather", arguments={"city": "Oslo"})]),
            Reply(when="rain", says="It rains."),
        ],
    )
    async with standing(script) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        called = await ear.until(ToolCalled)
        assert (called.name, called.arguments) == ("weather", '{"city": "Oslo"}')
        await ear.until(SpeechDone)
        output = SendToolOutput(item_id="item_ours", call_id=called.call_id, output="rain")
        await ear.link.send(output)
        added = await ear.until(ItemAdded)
        assert (added.item_id, added.type) == ("item_ours", "function_call_output")
        assert added.call_id == called.call_id
        await ear.link.send(CreateSpeech(command_id="cmd_2"))

        assert (await ear.until(AgentSaid)).text == "It rains."


async def test_an_output_that_answers_nothing_is_refused_by_its_id() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(SendToolOutput(item_id="item_1", call_id="call_0", output=""))

        assert (await ear.until(Failed)).command_id == "item_1"


async def test_an_item_is_taken_out_of_the_conversation() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, call_id):
        stand.simulator.speak(call_id, "Hello.")
        committed = await ear.until(TurnCommitted)
        await ear.link.send(DeleteItem(item_id=committed.item_id))
        await stand.simulator.journal.until(lambda entry: entry.type == "conversation.item.deleted")


async def test_a_second_response_at_once_is_refused_as_busy() -> None:
    script = Script(replies=[Reply(says="One two.", after_ms=300), "Never."])
    async with standing(script) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        await ear.link.send(CreateSpeech(command_id="cmd_2"))
        failed = await ear.until(Failed)

        assert (failed.busy, failed.command_id, failed.fatal) == (True, "cmd_2", False)


@pytest.mark.parametrize("generating", [True, False])
async def test_speech_is_stopped_while_it_is_generated_and_after(generating: bool) -> None:
    word_ms = 100 if generating else 0
    reply = Reply(says="one two three four five six " * 5, word_ms=word_ms, speaks_ms=60_000)
    async with (
        standing(Script(replies=[reply])) as stand,
        stand.connected() as (caller, ear, _call),
    ):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        response_id = (await ear.until(PlaybackStarted)).response_id
        await caller.hears_voice()
        if not generating:
            await ear.until(SpeechDone)
        await ear.link.send(CancelSpeech(response_id=response_id if generating else None))
        cleared = await ear.until(PlaybackCleared)
        truncated = await ear.until(Truncated)
        await caller.hears_silence()

        assert cleared.response_id == response_id
        assert truncated.audio_ms < 60_000
        (done,) = ear.heard(SpeechDone)
        assert done.reason == ("client_cancelled" if generating else "")
        # It has ended already, which nobody needs to hear of.
        await ear.link.send(CancelSpeech(response_id=response_id))
        await ear.link.send(Configure(configuration=CONFIGURATION))
        await ear.until(Configured)
        assert ear.heard(Failed) == []


@pytest.mark.parametrize("order", list(Order))
async def test_a_user_who_speaks_over_the_agent_cuts_it(order: Order) -> None:
    reply = Reply(says="A very long story.", speaks_ms=60_000)
    script = Script(replies=[reply], order=order)
    async with (
        standing(script) as stand,
        stand.connected() as (caller, ear, _),
    ):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        begun = await ear.until(PlaybackStarted)
        await caller.hears_voice()
        caller.speak()
        started = await ear.until(SpeechStarted)
        committed = await ear.until(TurnCommitted)

        assert committed.item_id == started.item_id
        assert ear.heard(PlaybackCleared) == [PlaybackCleared(response_id=begun.response_id)]
        (truncated,) = ear.heard(Truncated)
        assert truncated.item_id in {item.item_id for item in ear.heard(ItemAdded)}


async def test_commands_of_many_tasks_do_not_mix() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, _call):
        cancel = CancelSpeech(response_id="resp_0")
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(ear.link.send(cancel))
        await ear.link.send(Configure(configuration=CONFIGURATION))
        await ear.until(Configured)

        kinds = [entry.type for entry in stand.simulator.journal.entries(direction="received")]
        assert kinds.count("output_audio_buffer.clear") == 20
        assert all(
            following == "output_audio_buffer.clear"
            for kind, following in itertools.pairwise(kinds)
            if kind == "response.cancel"
        )


# --- the end ---


async def test_a_call_is_hung_up_once_and_its_link_is_closed_in_good_order() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, call_id):
        assert await stand.adapter.hang_up(call_id) is True
        closed = await ear.until(LinkClosed)
        assert closed == LinkClosed(by_provider=True, detail="1000")
        assert await ear.is_silent()
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        assert await stand.adapter.hang_up(call_id) is False


async def test_a_link_that_breaks_is_no_end_of_the_call() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, call_id):
        stand.simulator.drop_sidebands(call_id)
        closed = await ear.until(LinkClosed)
        assert closed.by_provider is False
        assert await ear.is_silent()
        await ear.link.send(CreateSpeech(command_id="cmd_1"))

        async with stand.adapter.attach(call_id, CONFIGURATION) as again:
            assert await Ear(again).until(Configured) == Configured(matches=True)


async def test_leaving_a_link_does_not_end_the_call() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, _ear, call_id):
        async with stand.adapter.attach(call_id, CONFIGURATION) as second:
            await Ear(second).until(Configured)

        assert call_id in stand.simulator.calls()


async def test_a_silent_provider_has_broken_the_link() -> None:
    async def open_and_freeze(http: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(http)
        async for _ in socket:
            pass
        return socket

    async with (
        beside(open_and_freeze, ping_s=0.1) as adapter,
        adapter.attach("rtc_1", CONFIGURATION) as link,
    ):
        assert (await Ear(link).until(LinkClosed)).by_provider is False


async def test_frames_that_are_no_events_are_passed_over() -> None:
    async def babble(http: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(http)
        await socket.send_str("no JSON")
        await socket.send_str("[]")
        await socket.send_bytes(b"\x00")
        await socket.close(code=4000, message=b"enough")
        return socket

    async with beside(babble) as adapter, adapter.attach("rtc_1", CONFIGURATION) as link:
        closed = await Ear(link).until(LinkClosed)

    assert closed == LinkClosed(by_provider=False, detail="4000 enough")


async def test_a_session_that_expires_says_so_and_is_closed() -> None:
    async with standing(Script(lasts_ms=400)) as stand, stand.connected() as (_, ear, _call):
        failed = await ear.until(Failed)
        assert (failed.expired, failed.fatal) == (True, True)
        assert (await ear.until(LinkClosed)).by_provider is False  # whether it is over is asked


async def test_a_hang_up_of_which_nothing_is_known_has_failed() -> None:
    async with standing(Script(faults=[Fault(on="hangup")])) as stand, calling() as caller:
        call_id = await stand.place(caller)
        with pytest.raises(ProviderFailed, match=r"\(500\)"):
            await stand.adapter.hang_up(call_id)

        assert await stand.adapter.hang_up(call_id) is True


async def test_a_hang_up_that_is_not_answered_in_time_has_failed() -> None:
    script = Script(faults=[Fault(on="hangup", status=None, after_ms=300)])
    async with standing(script, hang_up_timeout_s=0.1) as stand:
        with pytest.raises(ProviderFailed, match="no answer in time"):
            await stand.adapter.hang_up("rtc_1")


# --- attaching again ---


async def test_a_call_outlives_its_links_and_tells_what_was_missed() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, call_id):
        stand.simulator.speak(call_id, "One.")
        heard = await ear.until(Heard)
        stand.simulator.drop_sidebands(call_id)
        assert (await ear.until(LinkClosed)).by_provider is False
        async with stand.adapter.attach(call_id, CONFIGURATION, age=60.0) as link:
            again = Ear(link)
            await again.until(Configured)
            await link.send(Probe(item_id="item_probe", text="."))
            probe = await again.until(ItemAdded)
            assert (probe.item_id, probe.role) == ("item_probe", "system")
            assert probe.previous_item_id == heard.item_id
            await link.send(RetrieveItem(item_id=heard.item_id))
            assert await again.until(ItemFound) == ItemFound(
                item_id=heard.item_id,
                type="message",
                role="user",
                status="completed",
                spoken=True,
                text="One.",
            )
            await link.send(DeleteItem(item_id="item_probe"))
            await link.send(RetrieveItem(item_id="item_probe"))
            assert await again.until(ItemMissing) == ItemMissing(item_id="item_probe")


async def test_an_item_of_ours_that_the_provider_refuses_is_missing() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, _call):
        for _ in range(2):
            await ear.link.send(Probe(item_id="item_probe", text="."))
        await ear.until(ItemAdded)
        assert (await ear.until(ItemMissing)).item_id == "item_probe"


async def test_what_the_model_did_is_told_as_it_is_when_it_is_looked_up() -> None:
    reply = Reply(says="Let me look.", calls=[Call(name="look", arguments={"n": 1})])
    async with standing(Script(replies=[reply])) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        done = await ear.until(SpeechDone)
        (called,), (message,) = ear.heard(ToolCalled), done.item_ids
        await ear.link.send(RetrieveItem(item_id=called.item_id))
        found = await ear.until(ItemFound)
        assert (found.type, found.status, found.name) == ("function_call", "completed", "look")
        assert (found.call_id, json.loads(found.arguments)) == (called.call_id, {"n": 1})
        await ear.link.send(RetrieveItem(item_id=message))
        said = await ear.until(ItemFound)
        assert (said.role, said.status, said.spoken) == ("assistant", "completed", True)
        assert said.text == "Let me look."


@pytest.mark.parametrize(("age", "tries"), [(9.9, 2), (60.0, 1)])
async def test_only_a_young_call_may_be_unknown(age: float, tries: int) -> None:
    faults = [Fault(on="sideband", status=404, times=1)]
    async with standing(Script(faults=faults)) as stand, calling(data_channel=False) as caller:
        call_id = await stand.place(caller)
        if tries == 1:
            with pytest.raises(ProviderFailed) as failed:
                async with stand.adapter.attach(call_id, CONFIGURATION, age=age):
                    pass
            assert failed.value.metadata["gone"] == "true"
        else:
            async with stand.adapter.attach(call_id, CONFIGURATION, age=age) as link:
                assert await Ear(link).until(Configured)


async def test_a_provider_in_trouble_is_tried_for_as_long_as_there_is_patience() -> None:
    faults = [Fault(on="sideband", status=503, times=6)]
    async with (
        standing(Script(faults=faults), attach_for_s=0.1) as stand,
        calling(data_channel=False) as caller,
    ):
        call_id = await stand.place(caller)
        with pytest.raises(ProviderFailed):
            async with stand.adapter.attach(call_id, CONFIGURATION, age=60.0):
                pass
        async with stand.adapter.attach(call_id, CONFIGURATION, age=60.0, patience=30.0) as link:
            assert await Ear(link).until(Configured)
