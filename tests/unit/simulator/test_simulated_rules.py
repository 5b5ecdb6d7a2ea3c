"""Sessions, keys, scripts as JSON, and the journal."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from agentfield.simulator import Call, Entry, Fault, Heard, Journal, Order, Reply, Script
from agentfield.simulator.conformance import violations
from agentfield.simulator.control import control_routes
from agentfield.simulator.keys import Key, Keys
from agentfield.simulator.provider import Provider
from agentfield.simulator.refusals import Refused
from agentfield.simulator.scriptjson import heard_from_json, script_from_json
from agentfield.simulator.settings import new_session

pytestmark = pytest.mark.unit


def session(**request: Any) -> dict[str, Any]:
    wanted = {"type": "realtime"} | request
    return new_session(wanted, session_id="sess_1", model=None, expires_at=9)


def test_a_new_session_has_the_providers_defaults() -> None:
    assert session()["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert session()["audio"]["input"]["transcription"] is None


def test_no_two_sessions_share_anything() -> None:
    session()["audio"]["input"]["turn_detection"]["create_response"] = False
    assert session()["audio"]["input"]["turn_detection"]["create_response"] is True


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({}, "session.type"),
        ({"type": "transcription"}, "session.type"),
        ({"type": "realtime", "voice": "alloy"}, "session.voice"),
        ({"type": "realtime", "audio": {"input": {"vad": 1}}}, "session.audio.input.vad"),
        ({"type": "realtime", "audio": "loud"}, "session.audio"),
        (
            {"type": "realtime", "output_modalities": ["text", "audio"]},
            "session.output_modalities",
        ),
        (
            {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "ears"}}}},
            "session.audio.input.turn_detection.type",
        ),
        (
            {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}}}},
            "session.audio.input.format.type",
        ),
        (
            {"type": "realtime", "tools": [{"type": "function", "function": {}}]},
            "session.tools[0].function",
        ),
    ],
)
def test_a_wrong_session_is_refused_with_the_place(request_: Any, param: str) -> None:
    with pytest.raises(Refused) as refused:
        new_session(request_, session_id="sess_1", model=None, expires_at=0)
    assert refused.value.param == param
    assert refused.value.status == 400


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_only_the_api_key_is_accepted_if_there_is_one() -> None:
    assert Keys(None).check("Bearer whatever").session is None
    keys = Keys("sk-right")
    assert keys.check("Bearer sk-right").value == "sk-right"
    assert keys.check("", "realtime, openai-insecure-api-key.sk-right").value == "sk-right"
    for wrong in ("", "Bearer", "Bearer sk-wrong", "Bearer ek_unknown"):
        with pytest.raises(Refused) as refused:
            keys.check(wrong)
        assert refused.value.status == 401


def test_a_client_secret_carries_its_session_until_it_expires() -> None:
    clock = Clock()
    keys = Keys(None, clock)
    after = {"anchor": "created_at", "seconds": 10}
    request = {"session": {"type": "realtime", "instructions": "Hi"}, "expires_after": after}
    issued = keys.issue(Key(value="sk"), request)
    assert issued["expires_at"] == 1010
    assert issued["value"].startswith("ek_")
    assert issued["session"]["object"] == "realtime.session"
    key = keys.check(f"Bearer {issued['value']}")
    assert key.session == {"type": "realtime", "instructions": "Hi"}
    assert not key.expired
    clock.now = 1010
    assert keys.check(f"Bearer {issued['value']}").expired


@pytest.mark.parametrize("seconds", [9, 7201, "600"])
def test_a_client_secret_lasts_between_ten_seconds_and_two_hours(seconds: Any) -> None:
    request = {"session": {"type": "realtime"}, "expires_after": {"seconds": seconds}}
    with pytest.raises(Refused) as refused:
        Keys(None).issue(Key(value="sk"), request)
    assert refused.value.param == "expires_after.seconds"


def test_a_script_reads_the_same_as_json() -> None:
    value = {
        "heard": ["Hi.", {"text": "Hm.", "transcript": "never"}],
        "replies": [
            "Hello.",
            {"says": "Wait.", "calls": [{"name": "a", "arguments": {"x": 1}}], "when": "x"},
        ],
        "faults": [{"on": "offer", "status": 429}],
        "order": "shuffled",
        "sideband_after_ms": 7,
    }
    assert script_from_json(value) == Script(
        heard=["Hi.", Heard(text="Hm.", transcript="never")],
        replies=[
            "Hello.",
            Reply(says="Wait.", calls=[Call(name="a", arguments={"x": 1})], when="x"),
        ],
        faults=[Fault(on="offer", status=429)],
        order=Order.SHUFFLED,
        sideband_after_ms=7,
    )
    assert heard_from_json("Hi.") == Heard(text="Hi.")


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"speaks": "Hi"},
        {"order": "reverse"},
        {"replies": [{"ends": "badly"}]},
        {"replies": [{"calls": [{"arguments": "{}"}]}]},
        {"faults": [{"on": "everything"}]},
        {"heard": [7]},
        {"lasts_ms": "long"},
    ],
)
def test_a_wrong_script_is_refused(value: Any) -> None:
    with pytest.raises(Refused):
        script_from_json(value)


async def test_only_the_same_machine_directs_the_simulator() -> None:
    routes = control_routes(Provider(script=Script(), api_key=None))
    assert len(routes) == 5
    for route in routes:
        request = make_mocked_request(route.method, route.path).clone(remote="192.0.2.7")
        handler: Any = route.handler
        with pytest.raises(Refused) as refused:
            await handler(request)
        assert refused.value.status == 403


async def test_the_journal_can_be_waited_for_and_leaves_audio_out() -> None:
    journal = Journal()
    async with asyncio.TaskGroup() as tasks:
        found = tasks.create_task(journal.until(lambda entry: entry.type == "b"))
        journal.add("sent", "sideband-1", {"type": "a"}, call_id="rtc_1")
        journal.add("sent", "sideband-2", {"type": "b"})
    assert found.result().number == 2
    journal.add("received", "websocket-3", {"type": "input_audio_buffer.append", "audio": "AAAA"})
    assert journal.entries()[-1].body["audio"] == "<4 characters>"
    assert [entry.number for entry in journal.entries(connection="sideband")] == [1, 2]
    assert [entry.number for entry in journal.entries("a", call_id="rtc_1")] == [1]
    assert [entry.number for entry in journal.entries(direction="sent", after=1)] == [2]
    with pytest.raises(TimeoutError):
        await journal.until(lambda entry: entry.type == "c", seconds=0)


def entry(direction: str, body: dict[str, Any], connection: str = "sideband-1") -> Entry:
    return Entry(
        number=1, at=0, direction=direction, connection=connection, call_id=None, body=body
    )


@pytest.mark.parametrize(
    "body",
    [
        {"type": "response.audio.delta"},
        {"type": "response.create", "response": {"modalities": ["audio"]}},
        {"type": "conversation.item.retrieve"},
    ],
)
def test_frames_that_are_not_the_protocol_are_violations(body: dict[str, Any]) -> None:
    assert violations([entry("received", body)])
    assert not violations([entry("received", body, connection="http-1")])
