"""``af session talk`` as a process, in a real call with a control plane and the simulator."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import miniaudio
import pytest
from support.tones import loudest, write_tone

from agentfield import Agent, Client, RealtimeSession
from agentfield.simulator import Call, Reply, Script
from agentfield.testing import ControlPlane, control_plane, simulator
from agentfield.v1 import session_service_pb2 as pb
from agentfield.v1.errors import InvalidArgument
from agentfield_cli.formats import Format
from agentfield_cli.link import Link
from agentfield_cli.talk import microphone
from agentfield_cli.talk.running import planned, talk

pytestmark = pytest.mark.integration

PATIENCE = 60

app = Agent("desk")


async def echo(session: RealtimeSession) -> None:
    async for turn in session:
        await session.say(f"You said: {turn.text}")


async def lecture(session: RealtimeSession) -> None:
    turn = await session.input()
    await session.say(f"{turn.text} " + "This is a long story. " * 60)
    await echo(session)


async def goodbye(session: RealtimeSession) -> None:
    await session.input()
    await session.say("Good night.")
    await session.end("It is late.")


async def broken(session: RealtimeSession) -> None:
    await session.input()
    raise RuntimeError("no words left")


async def mute(session: RealtimeSession) -> None:
    async for _ in session:
        pass


async def greeting(session: RealtimeSession) -> None:
    await session.say("Good morning.")
    await echo(session)


for handler in (echo, lecture, goodbye, broken, mute, greeting):
    app.session(handler.__name__, provider="openai", model="m", transport="webrtc")(handler)
app.add_session("led", provider="openai", model="m", transport="webrtc", tools=["find"])


@app.skill()
def find(what: str) -> str:
    """Find something."""
    return f"the {what} is here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A running `af session talk`."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    async def until(self, start: str) -> None:
        """Wait for a line that starts so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not self.lines or not self.lines[-1].startswith(start):
                line = await self.process.stdout.readline()
                assert line, self.lines
                self.lines.append(line.decode().rstrip())

    async def ends(self) -> tuple[int, Sequence[str], str]:
        """Wait until it ends; return its exit code, the lines it wrote, and what is on stderr."""
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate()
        self.lines.extend(out.decode().splitlines())
        assert self.process.returncode is not None
        return self.process.returncode, self.lines, err.decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A control plane, its agent, and a folder with WAV files."""

    plane: ControlPlane
    folder: Path

    @asynccontextmanager
    async def talk(self, *words: str) -> AsyncIterator[Talk]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agentfield_cli", "-s", self.plane.grpc_address),
            *("session", "talk", *words),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        try:
            yield Talk(process=process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def say(self, *words: str) -> tuple[int, Sequence[str], str]:
        async with self.talk(*words) as talking:
            return await talking.ends()

    async def reason(self) -> str:
        """Why the newest session ended."""
        async with Client(self.plane.grpc_address) as client:
            async for session in client.sessions.list():
                return session.end_reason
        raise AssertionError("there is no session")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    write_tone(tmp_path / "one.wav", rate=8_000)
    write_tone(tmp_path / "two.wav", rate=44_100, channels=2)
    (tmp_path / "silence.wav").write_bytes(
        write_tone(tmp_path / "s.wav").read_bytes()[:44] + bytes(9600)
    )
    script = Script(
        heard=["One.", "Two."],
        replies=[
            Reply(when="^One", calls=[Call(name="find", arguments={"what": "hat"})], repeats=True),
            Reply(when="^.?the hat", says="Your hat is here.", repeats=True),
        ],
    )
    async with (
        simulator(script=script) as provider,
        control_plane(simulator=provider) as plane,
        app.serving(),
    ):
        yield Desk(plane=plane, folder=tmp_path)


def said(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.startswith(("caller", "agent", "tool", "ended"))]


async def test_one_file_is_said_after_the_other_is_answered_and_the_agent_is_recorded(
    desk: Desk,
) -> None:
    code, lines, err = await desk.say(
        *("desk.echo", "--wav", "one.wav", "--wav", "two.wav", "--out", "o.wav")
    )

    assert (code, err) == (0, "")
    assert lines[0].startswith("session   sess_")
    assert said(lines) == [
        "caller    One.",
        "agent     You said: One.",
        "caller    Two.",
        "agent     You said: Two.",
        "ended     the caller hung up",
    ]
    assert lines[-1].startswith("recorded  o.wav, ")
    with wave.open(str(desk.folder / "o.wav")) as file:
        assert file.getparams()[:3] == (1, 2, 24_000)
        assert loudest(file.readframes(file.getnframes())) > 2_000
    assert await desk.reason() == "client_hangup"


async def test_tools_of_the_model_are_shown(desk: Desk) -> None:
    code, lines, _ = await desk.say("desk.led", "--wav", "one.wav")

    assert code == 0
    assert [line.split(" ms:")[-1] for line in said(lines) if line != "caller    One."] == [
        'tool      desk.find {"what": "hat"}',
        ' "the hat is here"',
        "agent     Your hat is here.",
        "ended     the caller hung up",
    ]


async def test_who_does_not_wait_for_the_answer_interrupts_it(desk: Desk) -> None:
    code, lines, _ = await desk.say(
        *("desk.lecture", "--wav", "one.wav", "--wav", "two.wav", "--pause", "3")
    )
    assert code == 0
    first, second = (line for line in lines if line.startswith("agent"))
    assert first.endswith("  (interrupted)")
    assert second == "agent     You said: Two."


async def test_a_session_that_was_started_is_joined_and_written_as_data(desk: Desk) -> None:
    async with Client() as client:
        started = await client.sessions.start("desk.echo")

    code, lines, err = await desk.say(started.session_id, "--wav", "one.wav", "-o", "json")

    assert (code, err) == (0, f"note: session {started.session_id}\n")
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    logged = [event["sequence"] for event in events if event.get("sequence")]
    assert logged == list(range(1, len(logged) + 1))
    heard = [event["data"]["text"] for event in events if event["type"] == "agent.heard"]
    assert heard == ["You said: One."]
    assert events[-1]["data"]["reason"] == "client_hangup"


async def test_a_session_in_somebody_elses_call_is_left_alone(desk: Desk) -> None:
    async with desk.talk("desk.lecture", "--wav", "one.wav") as first:
        await first.until("caller")
        session_id = first.lines[0].split()[1]

        code, lines, err = await desk.say(session_id, "--wav", "two.wav")

        assert (code, lines) == (2, [])
        assert "SESSION_ALREADY_CONNECTED" in err
        assert await desk.reason() == ""
        first.process.send_signal(signal.SIGINT)
        await first.ends()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_ctrl_c_and_sigterm_hang_up_and_leave_a_recording(
    desk: Desk, number: signal.Signals, code: int
) -> None:
    words = ("desk.echo", "--wav", "one.wav", "--wav", "two.wav", "--out", "o.wav")
    async with desk.talk(*words) as talking:
        await talking.until("agent")
        talking.process.send_signal(number)
        found, lines, err = await talking.ends()

    assert (found, err) == (code, "")
    assert "ended     the caller hung up" in lines
    assert await desk.reason() == "client_hangup"
    with wave.open(str(desk.folder / "o.wav")) as file:
        assert loudest(file.readframes(file.getnframes())) > 2_000


async def test_an_agent_that_ends_the_session_when_all_was_said_is_no_failure(desk: Desk) -> None:
    code, lines, err = await desk.say("desk.goodbye", "--wav", "one.wav")

    assert (code, err) == (0, "")
    assert said(lines)[-1] == "ended     the agent ended it (It is late.)"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["desk.goodbye", "--wav", "one.wav", "--wav", "two.wav"],
            "the session ended before all was said (1 left): the agent ended it (It is late.)",
        ),
        (
            ["desk.broken", "--wav", "one.wav"],
            "the session ended: the agent's handler failed (RuntimeError: no words left)",
        ),
        (
            ["desk.echo", "--wav", "silence.wav", "--patience", "1"],
            "the provider heard no speech within 1 s: is there any in the file?",
        ),
        (
            ["desk.mute", "--wav", "one.wav", "--patience", "4"],
            "the agent did not answer within 4 s; see --patience",
        ),
    ],
)
async def test_what_does_not_go_as_it_should_is_told_in_words(
    desk: Desk, words: list[str], told: str
) -> None:
    code, _, err = await desk.say(*words)

    assert (code, err) == (3, f"error: {told}\n")


async def test_what_cannot_be_said_is_found_before_a_session_is_started(desk: Desk) -> None:
    code, lines, err = await desk.say("desk.echo", "--wav", "one.wav", "--wav", "three.wav")

    assert (code, lines) == (2, [])
    assert "--wav cannot read the file 'three.wav': No such file" in err
    with pytest.raises(AssertionError, match="there is no session"):
        await desk.reason()


@pytest.fixture
def silent_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have microphones and loudspeakers that are always there, and silent."""
    device = microphone._device
    null = {"backends": [miniaudio.Backend.NULL]}
    monkeypatch.setattr(microphone, "_device", lambda rate: device(rate) | null)


NOTHING_TO_SAY = planned(speech=[], recording=None, pause=None, patience=1, headphones=False)


async def test_a_machine_without_a_microphone_is_told_what_to_do_instead(
    desk: Desk, silent_room: None
) -> None:
    request = pb.StartSessionRequest(target="desk.echo")
    link = Link(server=desk.plane.grpc_address, api_key=None)

    with pytest.raises(InvalidArgument, match="no microphone, or no loudspeaker"):
        await talk(link, Format.TEXT, request, NOTHING_TO_SAY)


async def test_a_person_hears_the_agent_and_hangs_up_with_ctrl_c(
    desk: Desk, silent_room: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = asyncio.Event()
    hear = microphone.Headset.hear

    def listen(headset: microphone.Headset, samples: bytes, at: int) -> None:
        hear(headset, samples, at)
        if loudest(samples) > 2_000:
            heard.set()

    monkeypatch.setattr(microphone.Headset, "hear", listen)
    monkeypatch.setattr(microphone, "_is_there", lambda _: True)
    request = pb.StartSessionRequest(target="desk.greeting")
    link = Link(server=desk.plane.grpc_address, api_key=None)

    async with asyncio.TaskGroup() as tasks, asyncio.timeout(PATIENCE):
        talking = tasks.create_task(talk(link, Format.TEXT, request, NOTHING_TO_SAY))
        await heard.wait()
        talking.cancel()  # what Ctrl-C does
        await talking

    assert await desk.reason() == "client_hangup"
