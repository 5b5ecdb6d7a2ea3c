"""The simulator as a program: who directs it over HTTP, and what it says when it cannot start."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import socket
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agentfield.simulator import Script, Simulator, running
from agentfield.simulator.scriptjson import script_from_json

pytestmark = pytest.mark.integration

DOCUMENT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
FORM = "application/x-www-form-urlencoded"
HEARD = "conversation.item.input_audio_transcription.completed"


async def direct(
    simulator: Simulator, verb: str, path: str, body: str, content_type: str = FORM
) -> tuple[int, Any]:
    """Send a body as it is; return the status and the error, if it is one."""
    headers = {"Content-Type": content_type}
    url = f"{simulator.origin}/simulator/{path}"
    async with (
        aiohttp.ClientSession() as http,
        http.request(verb, url, data=body, headers=headers) as response,
    ):
        return response.status, (await response.json())["error"] if response.status >= 400 else None


async def test_the_curl_commands_of_the_document_direct_the_simulator() -> None:
    words = [shlex.split(line) for line in re.findall(r"^curl .* -d .*$", DOCUMENT, re.MULTILINE)]
    assert len(words) == 2
    transcription = {"audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}}}
    async with (
        running() as simulator,
        aiohttp.ClientSession() as http,
        http.ws_connect(
            f"{simulator.base_url}/realtime?model=m", headers={"Authorization": "Bearer any"}
        ) as socket_,
    ):
        session = {"type": "realtime"} | transcription
        await socket_.send_json({"type": "session.update", "session": session})
        await simulator.journal.until(lambda entry: entry.type == "session.updated")
        (call_id,) = simulator.calls()
        for command in words:
            verb = command[command.index("-X") + 1] if "-X" in command else "POST"
            (url,) = (word for word in command if word.startswith("http://127.0.0.1:9101/"))
            path = url.partition("/simulator/")[2].replace("$CALL", call_id)
            status, _ = await direct(simulator, verb, path, command[command.index("-d") + 1])
            assert status in {202, 204}
        entry = await simulator.journal.until(lambda entry: entry.type == HEARD)
        assert entry.body["transcript"] == "Where is my hat?"
        replies = {"replies": [{"says": "Yes.", "repeats": True}]}
        assert simulator.script == script_from_json(replies)


@pytest.mark.parametrize("content_type", [FORM, "text/plain", "application/json"])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{oops", "The body is not valid JSON: "),
        ("heard=Hello", "The body is not valid JSON: "),
        ('["Hello"]', "The body is not a JSON object."),
        ('{"herd": "Hello"}', "herd'."),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused_whatever_its_content_type(
    body: str, says: str, content_type: str
) -> None:
    async with running() as simulator:
        for verb, path in (("PUT", "script"), ("POST", "calls/rtc_1/speech")):
            status, error = await direct(simulator, verb, path, body, content_type)
            assert status == 400
            assert says in error["message"]
        assert simulator.script == Script()


async def test_a_script_must_be_given_where_a_speech_need_not_be() -> None:
    async with running(script=Script(replies=["Kept."])) as simulator:
        assert (await direct(simulator, "PUT", "script", ""))[0] == 400
        assert simulator.script.replies == ["Kept."]
        status, error = await direct(simulator, "POST", "calls/rtc_1/speech", "")
        assert (status, error["code"]) == (404, "call_id_not_found")


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--port={taken}"], 3, "cannot listen on 127.0.0.1:{taken}: it is in use"),
        (["--host=192.0.2.1"], 3, "cannot listen on 192.0.2.1:0: Cannot assign requested address"),
        (["--port=70000"], 1, "0-65535"),
        (["--host=nowhere"], 1, "'nowhere'"),
        (["--script={script}"], 1, "script.says"),
        (["--script=/nowhere/script.json"], 1, "/nowhere/script.json"),
    ],
)
async def test_a_simulator_that_cannot_start_says_why_in_one_line(
    tmp_path: Path, flags: list[str], code: int, says: str
) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"says": "Hello."}))
    with socket.create_server(("127.0.0.1", 0)) as server:
        facts = {"taken": server.getsockname()[1], "script": script}
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agentfield.simulator"),
            *(flag.format(**facts) for flag in flags),
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await program.communicate()

    (line,) = err.decode().splitlines()
    assert line.startswith("error: ")
    assert says.format(**facts) in line
    assert "Errno" not in line or code == 1
    assert program.returncode == code
