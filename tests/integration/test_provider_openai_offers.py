"""Offers by the adapter for OpenAI Realtime, and the key that goes with them."""

from __future__ import annotations

import asyncio
import traceback

import aiohttp
import pytest
from aiohttp import web
from support.provider import (
    CONFIGURATION,
    KEY,
    adapter_for,
    beside,
    request,
    standing,
)

from agentfield.providers.profiles import providers
from agentfield.sessions.provider import (
    Taken,
)
from agentfield.simulator import Fault, Script, running
from agentfield.simulator.caller import calling
from agentfield.v1.errors import ProviderFailed

pytestmark = pytest.mark.integration


async def not_taken(call_id: str) -> None:
    pytest.fail(f"took {call_id}")


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
