"""Offers: which of several wins, what becomes of the others' calls, and of clients that leave."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from support.live import Line, declared, desk, sdp

from agentfield.live.session import LiveSession
from agentfield.providers import profiles
from agentfield.providers.openai_realtime import OpenAIRealtime
from agentfield.testing import Fault, Script
from agentfield.v1 import errors
from agentfield.v1 import session_service_pb2 as pb

pytestmark = pytest.mark.integration

LATE = Script(faults=[Fault(on="offer", status=None, after_ms=300)])
UNATTACHED = Script(sideband_after_ms=60_000)


async def answer_or_error(line: Line, number: int) -> str | errors.AgentFieldError:
    try:
        return await line.offer(number)
    except errors.AgentFieldError as error:
        return error


async def test_of_two_offers_at_once_one_wins_and_the_call_of_the_other_is_hung_up() -> None:
    async with desk() as at:
        line = await at.start("plain")
        async with asyncio.TaskGroup() as tasks:
            offers = [tasks.create_task(answer_or_error(line, number)) for number in (1, 2)]
        answers = [offer.result() for offer in offers]
        (lost,) = [each for each in answers if isinstance(each, errors.AgentFieldError)]
        await line.until("session.live", generation=2)

        assert lost.reason == "SESSION_ALREADY_CONNECTED"
        await line.calls_are("ended", "open")
        first, second = (await line.get()).provider_calls
        assert at.hang_ups() == [first.external_id]
        assert at.provider.calls() == [second.external_id]


async def test_another_offer_takes_the_place_of_a_call_that_is_not_live_yet() -> None:
    async with desk(script=UNATTACHED) as at:
        line = await at.start("plain")
        first = await line.offer(1)
        at.provider.script = Script(tells_of_leaving=False)
        second = await line.offer(2)
        assert first != second
        await line.until("session.live", generation=2)
        await line.calls_are("ended", "open")
        with pytest.raises(errors.SessionAlreadyConnected):
            await line.offer(3)
        assert await line.offer(2) == second
        assert len(at.offers()) == 2


async def test_an_offer_that_waits_learns_that_another_one_took_its_place() -> None:
    async with desk(script=LATE) as at:
        line = await at.start("plain")
        waiting = at.begin(answer_or_error(line, 1))
        await at.offered()
        await line.offer(2)
        lost = await waiting
        assert isinstance(lost, errors.SessionAlreadyConnected)
        await line.until("session.live", generation=2)
        await line.calls_are("ended", "open")


async def test_the_same_bytes_share_the_answer_of_the_first_while_it_is_under_way() -> None:
    async with desk(script=LATE) as at:
        line = await at.start("plain")
        async with asyncio.TaskGroup() as tasks:
            offers = [tasks.create_task(line.offer()) for _ in range(5)]
        assert len({offer.result() for offer in offers}) == 1
        assert len(at.offers()) == 1
        assert await line.calls() == ["open"]


async def leave_during_the_offer(line: Line) -> None:
    """Offer, and cancel the rpc while the provider thinks."""
    waiting = line.desk.begin(line.offer())
    await line.desk.offered()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_client_that_leaves_during_its_offer_cancels_nothing() -> None:
    async with desk(script=LATE) as at:
        line = await at.start("plain")
        await leave_during_the_offer(line)
        await line.until("session.live")
        assert await line.calls() == ["open"]
        assert await line.offer()
        assert len(at.offers()) == 1


async def test_a_call_that_is_taken_after_the_end_is_hung_up() -> None:
    async with desk(script=LATE) as at:
        line = await at.start("plain")
        await leave_during_the_offer(line)
        await line.end()
        assert await line.ended() == "api_ended"
        assert await line.calls() == ["creating"]
        await line.calls_are("ended")
        assert at.hang_ups() == [await line.external_id()]
        assert at.provider.calls() == []


async def test_a_call_that_was_hung_up_stays_ended_when_its_answer_comes_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hung_up, over = asyncio.Event(), asyncio.Event()
    original, hang_up, to_its_end = OpenAIRealtime.offer, OpenAIRealtime.hang_up, LiveSession.run

    async def slowly(self: OpenAIRealtime, request: Any, taken: Any) -> Any:
        async def taken_and_hung_up(external_id: str) -> None:
            await taken(external_id)
            await hung_up.wait()
            await line.calls_are("ended")

        return await original(self, request, taken_and_hung_up)

    async def noted(self: OpenAIRealtime, external_id: str) -> bool:
        known = await hang_up(self, external_id)
        hung_up.set()
        return known

    monkeypatch.setattr(OpenAIRealtime, "offer", slowly)

    async def run(self: LiveSession, *arguments: Any) -> None:
        await to_its_end(self, *arguments)
        over.set()

    monkeypatch.setattr(OpenAIRealtime, "hang_up", noted)
    monkeypatch.setattr(LiveSession, "run", run)
    async with desk(script=LATE) as at:
        line = await at.start("plain")
        await leave_during_the_offer(line)
        await line.end()
        await line.calls_are("ended")
        await over.wait()
        assert await line.calls() == ["ended"]
        assert len(at.hang_ups()) == 1


async def test_who_waits_for_an_answer_when_the_session_ends_is_told_that() -> None:
    async with desk(script=LATE) as at:
        line = await at.start("plain")
        waiting = at.begin(answer_or_error(line, 1))
        await at.offered()
        await line.end()
        refused = await waiting
        assert isinstance(refused, errors.SessionEnded)
        assert refused.metadata["end_reason"] == "api_ended"
        await line.calls_are("ended")


async def test_a_refused_offer_leaves_the_session_pending_and_its_words_in_the_log() -> None:
    async with desk(script=Script(faults=[Fault(on="offer", status=400, code="bad_sdp")])) as at:
        line = await at.start("plain")
        with pytest.raises(errors.ProviderFailed) as refused:
            await line.offer()
        logged = await line.until("provider.error", code="bad_sdp")
        assert "Please retry" in str(logged.data["body"])
        assert "Please retry" not in refused.value.message + str(refused.value.metadata)
        assert (await line.get()).state == "pending"
        assert await line.calls() == ["ended"]
        await line.offer()
        await line.until("session.live", generation=2)
        assert await line.calls() == ["ended", "open"]
        assert at.hang_ups() == []


async def test_a_call_is_on_disk_before_the_provider_is_asked_and_its_id_before_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    original = OpenAIRealtime.offer

    async def watched(self: OpenAIRealtime, request: Any, taken: Any) -> Any:
        async def and_taken(external_id: str) -> None:
            await taken(external_id)
            (call,) = (await line.get()).provider_calls
            seen.append((call.state, call.external_id == external_id, asked.done()))

        (call,) = (await line.get()).provider_calls
        seen.append((call.state, call.external_id, len(at.offers())))
        return await original(self, request, and_taken)

    monkeypatch.setattr(OpenAIRealtime, "offer", watched)
    async with desk() as at:
        line = await at.start("plain")
        asked = at.begin(line.offer())
        await asked
        assert seen == [("creating", "", 0), ("open", True, False)]


async def test_clients_that_leave_at_any_moment_harm_no_session() -> None:
    async with desk() as at:
        line = await (await at.start("plain")).connect()
        request = pb.RealtimeOfferRequest(session_id=line.session_id, offer_sdp=sdp())
        for pause in range(100):
            rpc = at.plane.sessions.RealtimeOffer(request)
            for _ in range(pause % 25):
                await asyncio.sleep(0)
            rpc.cancel()
        assert await line.offer()
        assert (await line.get()).state == "live"


@pytest.mark.parametrize(("status", "reason"), [(404, "provider_closed"), (401, "provider_error")])
async def test_a_call_whose_sideband_never_attaches_ends_and_is_hung_up(
    status: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (profile,) = profiles.PROFILES
    impatient = replace(profile, attach_for_s=0.2)
    monkeypatch.setattr(profiles, "PROFILES", (impatient,))
    script = Script(faults=[Fault(on="sideband", status=status, times=99)])
    async with desk(script=script) as at:
        line = await at.start("plain")
        await line.offer()
        assert await line.ended() == reason
        await line.calls_are("ended")
        assert len(at.hang_ups()) == 1


async def test_a_call_that_the_provider_closes_is_over_without_a_hang_up() -> None:
    async with desk() as at:
        line, _ = await at.led()
        at.provider.end(await line.external_id())
        assert await line.ended() == "provider_closed"
        await line.calls_are("ended")
        assert at.hang_ups() == []


async def test_a_call_that_lasts_too_long_for_the_provider_ends() -> None:
    async with desk(script=Script(lasts_ms=1000)) as at:
        line = await at.start("plain")
        await line.offer()
        assert await line.ended() == "provider_closed"
        assert "provider.error" in await line.types()


async def test_an_offer_that_never_goes_live_is_hung_up_after_connect_timeout() -> None:
    brief = declared("brief", has_handler=False, limits={"connect_timeout": 1.0})
    async with desk(script=UNATTACHED, sessions=[brief]) as at:
        line = await at.start("brief")
        await line.offer()
        assert await line.ended() == "connect_timeout"
        await line.calls_are("ended")
        assert at.hang_ups() == [await line.external_id()]
