"""Calls that end, or are given up, while nobody listens to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from support.links import UNKNOWN, Hands, is_live_again
from support.live import desk

from agentfield.live import links
from agentfield.providers import profiles
from agentfield.providers.openai_link import Link
from agentfield.providers.openai_realtime import OpenAIRealtime
from agentfield.sessions.provider import Command, CreateSpeech, LinkClosed, ProviderEvent
from agentfield.testing import Fault, Script
from agentfield_sdk import Client

pytestmark = pytest.mark.integration


async def test_a_call_that_ended_meanwhile_ends_the_session(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    (profile,) = profiles.PROFILES
    monkeypatch.setattr(profiles, "PROFILES", (replace(profile, attach_for_s=0.3),))
    async with desk() as at:
        line = await (await at.start("plain")).connect()
        async with hands.away(line) as provider:
            provider.end(await line.external_id())
        assert await line.ended() == "provider_closed"


async def test_a_call_that_cannot_be_attached_to_again_is_given_up_and_hung_up() -> None:
    async with desk() as at:
        line = await (await at.start("plain")).connect()
        at.provider.script = Script(faults=[Fault(on="sideband", status=401, times=99)])
        at.provider.drop_sidebands(await line.external_id())
        assert await line.ended() == "provider_error"
        await at.hung_up(await line.external_id())


async def test_a_call_that_stays_without_a_link_for_too_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(links, "RELINK_SECONDS", 0.5)
    async with desk() as at:
        line = await (await at.start("plain")).connect()
        at.provider.script = Script(faults=[Fault(on="sideband", status=503, times=99)])
        at.provider.drop_sidebands(await line.external_id())
        assert await line.ended() == "provider_error"
        await at.hung_up(await line.external_id())


async def test_links_that_break_before_they_are_of_use_do_not_keep_a_call_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken:
        async def events(self) -> AsyncIterator[ProviderEvent]:
            yield LinkClosed(by_provider=False, detail="broken")

        async def send(self, command: Command) -> None:
            """Tell nobody."""

    @asynccontextmanager
    async def attach(*_: Any, **__: Any) -> AsyncIterator[Broken]:
        yield Broken()

    monkeypatch.setattr(links, "RELINK_SECONDS", 0.7)
    async with desk() as at:
        line = await (await at.start("plain")).connect()
        monkeypatch.setattr(OpenAIRealtime, "attach", attach)
        at.provider.drop_sidebands(await line.external_id())
        assert await line.ended() == "provider_error"
        await at.hung_up(await line.external_id())
        assert (await line.types()).count("provider.lost") > 1


async def test_a_provider_that_takes_nothing_loses_its_link_and_gets_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = Link.send

    async def send(self: Link, command: Command) -> None:
        if isinstance(command, CreateSpeech) and command.say == "Stuck.":
            await asyncio.Event().wait()
        await taken(self, command)

    monkeypatch.setattr(links, "SEND_SECONDS", 0.2)
    monkeypatch.setattr(Link, "send", send)
    async with desk() as at:
        line, handler = await at.led()
        spoken = await handler.say("Stuck.")
        assert spoken.outcome == UNKNOWN
        await line.until("provider.lost")
        assert (await handler.say("Free.")).heard_text == "Free."
        await line.end()


async def test_a_session_without_a_link_can_be_ended() -> None:
    async with desk() as at:
        line = await (await at.start("plain")).connect()
        at.provider.script = Script(faults=[Fault(on="sideband", status=503, times=99)])
        at.provider.drop_sidebands(await line.external_id())
        await line.until("provider.lost")
        await line.end()
        await line.calls_are("ended")


async def test_a_client_that_does_not_come_back_is_lost(hands: Hands) -> None:
    async with desk("--presence-grace=0.4") as at:
        line = await (await at.start("plain")).connect()
        async with Client(at.plane.grpc_address, api_key=line.started.session_token) as page:
            watching = page.sessions.watch(line.session_id)
            await anext(watching)
            await line.until("client.watching", watching=True)
            async with hands.away(line):
                await watching.aclose()
        assert await line.ended() == "client_lost"


async def test_a_session_whose_client_never_watched_is_not_lost(hands: Hands) -> None:
    async with desk("--presence-grace=0.1") as at:
        line = await (await at.start("plain")).connect()
        async with hands.away(line):
            pass
        await is_live_again(line)
        await line.say("Still here.")
        await line.until("agent.heard", text="Still here.")
        await line.end()
