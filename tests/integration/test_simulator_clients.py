"""The simulator as clients meet it over HTTP and WebSockets, the official one among them."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from agentfield.simulator import Call, Reply, Script, Simulator, running
from agentfield.simulator.caller import calling
from agentfield.simulator.conformance import violations
from agentfield.simulator.scriptjson import script_from_json
from agentfield.simulator.tone import pcm_tone

pytestmark = pytest.mark.integration

KEY = {"Authorization": "Bearer sk-test"}


@asynccontextmanager
async def simulated(
    script: Script | None = None, api_key: str | None = None
) -> AsyncIterator[tuple[Simulator, aiohttp.ClientSession]]:
    async with (
        running(script=script, api_key=api_key) as simulator,
        aiohttp.ClientSession(headers=KEY) as http,
    ):
        yield simulator, http
    assert violations(simulator.journal.entries()) == []


@asynccontextmanager
async def official(simulator: Simulator, key: str = "sk-test") -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key=key, base_url=simulator.base_url, max_retries=0) as client:
        yield client


async def test_the_official_client_has_a_call_with_tools_from_offer_to_hang_up() -> None:
    script = Script(
        replies=[
            Reply(calls=[Call(name="get_weather", arguments={"city": "Oslo"})]),
            Reply(says="It rains.", speaks_ms=40),
        ]
    )
    async with (
        simulated(script) as (simulator, _),
        official(simulator) as client,
        calling() as caller,
    ):
        answer = await client.realtime.calls.with_raw_response.create(
            sdp=await caller.offer(),
            session={"type": "realtime", "model": "gpt-realtime"},
            extra_headers={"OpenAI-Safety-Identifier": "a-hash"},
        )
        await caller.take(answer.text)
        call_id = answer.headers["location"].rsplit("/", 1)[-1]
        async with client.realtime.connect(call_id=call_id) as sideband:
            await sideband.response.create()
            async for event in sideband:
                if event.type == "response.function_call_arguments.done":
                    output: Any = {
                        "type": "function_call_output",
                        "call_id": event.call_id,
                        "output": '{"weather": "rain"}',
                    }
                    await sideband.conversation.item.create(item=output)
                if event.type == "response.done" and event.response.output:
                    if event.response.output[0].type == "message":
                        break
                    await sideband.response.create()
            await client.realtime.calls.hangup(call_id)
        with pytest.raises(openai.NotFoundError) as gone:
            await client.realtime.calls.hangup(call_id)
        assert gone.value.code == "call_id_not_found"
        offered = simulator.journal.entries(connection="http-1")[0].body
        assert offered["headers"]["openai-safety-identifier"] == "a-hash"
        assert offered["body"]["session"] == {"type": "realtime", "model": "gpt-realtime"}
        assert "authorization" not in offered["headers"]


async def test_the_official_client_speaks_over_a_websocket() -> None:
    script = Script(heard=["Good morning."], replies=["Good morning to you."])
    async with simulated(script) as (simulator, _), official(simulator) as client:
        async with client.realtime.connect(model="gpt-realtime") as session:
            transcription: Any = {"transcription": {"model": "gpt-realtime-whisper"}}
            await session.session.update(
                session={"type": "realtime", "audio": {"input": transcription}}
            )
            for sound in (pcm_tone(400), bytes(48 * 400)):
                await session.input_audio_buffer.append(audio=base64.b64encode(sound).decode())
            kinds, audio, heard = [], b"", ""
            async for event in session:
                kinds.append(event.type)
                if event.type == "response.output_audio.delta":
                    audio += base64.b64decode(event.delta)
                if event.type == "conversation.item.input_audio_transcription.completed":
                    heard = event.transcript
                if heard and "response.done" in kinds:
                    break
        assert kinds[:2] == ["session.created", "session.updated"]
        assert heard == "Good morning."
        assert len(audio) == 48 * 60 * len("Good morning to you.")
        assert not simulator.calls()


async def test_a_message_that_is_too_large_ends_its_connection_and_no_other() -> None:
    async with (
        simulated(Script()) as (simulator, http),
        http.ws_connect(f"{simulator.base_url}/realtime?model=gpt-realtime") as large,
        http.ws_connect(f"{simulator.base_url}/realtime?model=gpt-realtime") as other,
    ):
        await other.receive_json()
        await large.receive_json()
        async with asyncio.timeout(10):
            with suppress(ConnectionError):  # it may be closed before all is sent
                await large.send_str(" " * (16 * 1024 * 1024 + 1))
            ended = await large.receive()
            await other.send_json({"type": "input_audio_buffer.clear"})
            cleared = await other.receive_json()
    assert ended.type in {
        aiohttp.WSMsgType.CLOSE,
        aiohttp.WSMsgType.CLOSED,
        aiohttp.WSMsgType.ERROR,
    }
    assert cleared["type"] == "input_audio_buffer.cleared"


async def test_speech_over_a_websocket_cancels_but_leaves_truncating_to_the_client() -> None:
    script = Script(replies=[Reply(says="A long story with many words.", word_ms=200)])
    async with (
        simulated(script) as (simulator, http),
        http.ws_connect(f"{simulator.base_url}/realtime?model=gpt-realtime") as socket,
    ):
        await socket.send_json({"type": "response.create"})
        loud = base64.b64encode(pcm_tone(200)).decode()
        kinds: list[str] = []
        async with asyncio.timeout(5):
            while "rate_limits.updated" not in kinds:
                event = await socket.receive_json()
                kinds.append(event["type"])
                if (
                    event["type"] == "response.output_audio.delta"
                    and kinds.count(event["type"]) == 1
                ):
                    await socket.send_json({"type": "input_audio_buffer.append", "audio": loud})
        assert "input_audio_buffer.speech_started" in kinds
        assert "conversation.item.truncated" not in kinds
        done = simulator.journal.entries("response.done")[0].body["response"]
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}


async def test_a_client_secret_opens_its_session_and_finds_only_its_call() -> None:
    async with simulated(api_key="sk-test") as (simulator, _), official(simulator) as client:
        session: Any = {"type": "realtime", "instructions": "Be kind."}
        secret = await client.realtime.client_secrets.create(
            session=session, expires_after={"anchor": "created_at", "seconds": 600}
        )
        async with official(simulator, secret.value) as browser:
            async with browser.realtime.connect(model="gpt-realtime") as own:
                created: Any = await own.recv()
                assert created.session.instructions == "Be kind."
            async with calling() as caller:
                call = await client.realtime.calls.with_raw_response.create(
                    sdp=await caller.offer()
                )
                foreign = call.headers["location"].rsplit("/", 1)[-1]
                with pytest.raises(openai.NotFoundError):
                    await browser.realtime.calls.hangup(foreign)
        entries = simulator.journal.entries()
        assert secret.value not in "".join(str(entry.body) for entry in entries)


async def test_an_expired_client_secret_opens_a_websocket_only_to_be_told_so() -> None:
    async with simulated() as (simulator, http), official(simulator) as client:
        secret = await client.realtime.client_secrets.create(session={"type": "realtime"})
        simulator.expire_client_secrets()
        expired = {"Authorization": f"Bearer {secret.value}"}
        url = f"{simulator.base_url}/realtime"
        async with http.ws_connect(url, headers=expired) as socket:
            error = (await socket.receive_json())["error"]
            assert error["message"] == "Ephemeral token expired"
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        async with http.post(f"{url}/calls", headers=expired) as response:
            assert response.status == 401


async def test_a_page_may_place_calls_but_not_direct_the_simulator() -> None:
    async with simulated() as (simulator, http):
        async with http.options(f"{simulator.base_url}/realtime/calls") as response:
            assert response.status == 200
            assert response.headers["Access-Control-Allow-Origin"] == "*"
        async with http.options(f"{simulator.origin}/simulator/script") as response:
            assert response.status == 405
            assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"sdp": "nonsense", "session": {"type": "realtime"}}, "invalid_offer"),
        ({"session": {"type": "realtime"}}, "missing_required_parameter"),
        ({"sdp": "", "session": {"type": "realtime", "voice": "alloy"}}, "unknown_parameter"),
        ({"sdp": "", "session": {"model": "gpt-realtime"}}, "missing_required_parameter"),
        ({"sdp": "", "session": "not json"}, "invalid_json"),
    ],
)
async def test_a_wrong_offer_gets_an_error_and_makes_no_call(
    data: dict[str, Any], code: str
) -> None:
    async with simulated() as (simulator, http), calling() as caller:
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in data.items():
            text = value if isinstance(value, str) else json.dumps(value)
            text = await caller.offer() if name == "sdp" and not text else text
            form.add_field(name, text)
        async with http.post(f"{simulator.base_url}/realtime/calls", data=form) as response:
            assert response.status == 400
            error = (await response.json())["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["type"], error["code"]) == ("invalid_request_error", code)
        assert not simulator.calls()


async def test_who_has_no_right_key_is_turned_away() -> None:
    async with simulated(api_key="sk-right") as (simulator, http):
        for path in ("/realtime/calls", "/realtime/calls/rtc_1/hangup", "/realtime/client_secrets"):
            async with http.post(f"{simulator.base_url}{path}") as response:
                assert response.status == 401
                assert (await response.json())["error"]["code"] == "invalid_api_key"
        for query in ("model=gpt-realtime", "call_id=rtc_1"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{simulator.base_url}/realtime?{query}")
            assert refused.value.status == 401


async def test_the_retired_protocol_is_refused_after_the_handshake() -> None:
    async with simulated() as (simulator, http):
        url = f"{simulator.base_url}/realtime?model=gpt-realtime"
        async with http.ws_connect(url, headers={"OpenAI-Beta": "realtime=v1"}) as socket:
            event = await socket.receive_json()
            assert event["error"]["code"] == "beta_api_shape_disabled"
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 4000


async def test_an_unknown_address_is_answered_like_every_mistake() -> None:
    async with (
        simulated() as (simulator, http),
        http.post(f"{simulator.base_url}/realtime/sessions") as response,
    ):
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "unknown_url"


async def test_a_frame_that_is_not_json_is_answered_with_an_error() -> None:
    async with running() as simulator, aiohttp.ClientSession(headers=KEY) as http:
        url = f"{simulator.base_url}/realtime?model=gpt-realtime"
        async with http.ws_connect(url) as socket:
            assert (await socket.receive_json())["type"] == "session.created"
            await socket.send_str("{oops")
            assert (await socket.receive_json())["error"]["code"] == "invalid_event"
            await socket.send_json({"type": "input_audio_buffer.append", "audio": "A"})
            assert (await socket.receive_json())["error"]["param"] == "audio"
            await socket.send_json({"type": "session.update", "session": {"type": "realtime"}})
            assert (await socket.receive_json())["type"] == "session.updated"
        assert violations(simulator.journal.entries(direction="received"))


async def test_what_the_block_raises_leaves_it_unchanged() -> None:
    with pytest.raises(KeyError):
        async with running():
            raise KeyError


async def test_the_program_is_directed_over_http(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"replies": [{"says": "From the file.", "repeats": True}]}))
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agentfield.simulator"),
        *("--script", str(script), "--api-key", "sk-test"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert program.stdout is not None
        ready = json.loads(await program.stdout.readline())
        async with aiohttp.ClientSession(headers=KEY) as http:
            await direct(http, ready["http"], ready["base_url"])
    finally:
        program.send_signal(signal.SIGTERM)
        assert await program.wait() == 0


async def test_the_documentation_runs_as_it_stands() -> None:
    document = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
    example, script = (
        re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)[0]
        for language in ("python", "json")
    )
    assert script_from_json(json.loads(script)).heard[0] == "Where is my order?"
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", example), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await program.communicate()
    assert (program.returncode, said.decode()) == (0, "It is on its way.\n")


async def direct(http: aiohttp.ClientSession, origin: str, base_url: str) -> None:
    async with http.ws_connect(f"{base_url}/realtime?model=gpt-realtime") as socket:
        said = "response.output_audio_transcript.done"
        await socket.send_json({"type": "response.create"})
        assert (await until(socket, said))["transcript"] == "From the file."
        await until(socket, "rate_limits.updated")
        async with http.get(f"{origin}/simulator/calls") as response:
            (call,) = (await response.json())["calls"]
        assert not call["ended"]
        new = {"replies": [{"when": "tea", "says": "Tea it is."}]}
        async with http.put(f"{origin}/simulator/script", json=new) as response:
            assert response.status == 204
        async with http.put(f"{origin}/simulator/script", json={"says": "Hi"}) as response:
            assert response.status == 400
        speech = f"{origin}/simulator/calls/{call['id']}/speech"
        async with http.post(speech, json={"heard": "Tea.", "lasts_ms": 20}) as response:
            assert response.status == 202
        assert (await until(socket, said))["transcript"] == "Tea it is."
        journal = f"{origin}/simulator/journal"
        async with http.get(journal, params={"type": said, "direction": "sent"}) as response:
            entries = (await response.json())["entries"]
        assert [entry["body"]["transcript"] for entry in entries] == [
            "From the file.",
            "Tea it is.",
        ]
        drop = f"{origin}/simulator/calls/{call['id']}/drop"
        async with http.post(drop, json={"what": "call"}) as response:
            assert response.status == 204
        async with http.post(drop, json={"what": "call"}) as response:
            assert response.status == 404


async def until(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            event = await socket.receive_json()
            if event["type"] == kind:
                return dict(event)
