"""The demo, and the examples that are agents."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from demo_call import ANSWERS, check
from demo_parts import program
from demo_words import differences
from playwright.async_api import expect
from show_call import Called
from support.browser import Browsers, Microphone
from support.processes import World
from support.voice import CutWire, voice_world

from agentfield import Client
from agentfield.simulator import Script
from agentfield.testing import Step, ToolCall

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples"
DEMO_PATIENCE = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A running demo."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    async def until(self, start: str) -> str:
        """Wait for a line that starts so, and return it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEMO_PATIENCE):
            while line := (await self.process.stdout.readline()).decode():
                self.lines.append(line.rstrip())
                if line.startswith(start):
                    return self.lines[-1]
        raise AssertionError(await self.ends())

    async def ends(self) -> tuple[int | None, Sequence[str], str]:
        """Return its exit code, its lines and what it said on stderr."""
        async with asyncio.timeout(DEMO_PATIENCE):
            out, err = await self.process.communicate()
        self.lines.extend(out.decode().splitlines())
        return self.process.returncode, self.lines, err.decode()


@asynccontextmanager
async def demo(folder: Path, tmp_path: Path, *flags: str) -> AsyncIterator[Demo]:
    """Run the demo of a folder, with temporary files in another one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(folder / "demo.py"), *flags),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(tmp_path)},
    )
    try:
        yield Demo(process=process)
    finally:
        if process.returncode is None:
            process.terminate()  # it stops what it has started
            await process.wait()


def shown(lines: Sequence[str], title: str, count: int) -> list[str]:
    """Return so many lines below a title."""
    start = lines.index(title) + 2
    return [line.strip() for line in lines[start : start + count]]


async def ask_in_a_browser(browsers: Browsers, link: str, question: Path) -> None:
    """Open the link as a person does, press the button, ask, and see that there is an answer."""
    with wave.open(str(question)) as file:
        sound, rate = file.readframes(file.getnframes()), file.getframerate()
    microphone = Microphone.of(question.with_name("mic.wav"), sound, rate=rate, pause_ms=2000)
    async with browsers.visiting(link, microphone=microphone, alone=True) as visit:
        await visit.page.get_by_role("button", name="Start call", exact=True).click()
        said = visit.page.get_by_role("region", name="Conversation").get_by_role("listitem")
        answered = said.filter(has_text="I looked: ")
        await expect(answered.first).to_be_visible(timeout=1000 * DEMO_PATIENCE)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(300)
async def test_everybody_speaks_in_the_demo_then_a_person_may_and_ctrl_c_stops_it_cleanly(
    tmp_path: Path, browsers: Browsers
) -> None:
    async with demo(EXAMPLES, tmp_path, "--keep") as running:
        link = (await running.until("Talk to it: ")).removeprefix("Talk to it: ")
        await running.until("  Ctrl-C stops everything.")
        (question,) = tmp_path.glob("agentfield-demo-*/caller-1.wav")
        await ask_in_a_browser(browsers, link, question)
        running.process.send_signal(signal.SIGINT)
        code, lines, err = await running.ends()

    assert (code, err) == (0, "")
    assert link.endswith("/#target=support.voice")
    said = [line.split(maxsplit=1)[1] for line in lines if line.startswith("agent   ")]
    assert said == ["I looked: it left the warehouse today.", "I looked: it comes on Tuesday."]
    assert '     answered  {"spoken_response": "I looked: it comes on Tuesday."}' in lines
    assert [line.split("  succeeded  ")[0] for line in shown(lines, "What ran", 5)] == [
        "support.voice",
        "├─ support.resolve_voice_turn",
        "│  └─ orders.find",
        "└─ support.resolve_voice_turn",
        "└─ orders.find",
    ]
    understood = "What was understood (at most 25% of the words may differ)"
    caller, _, _, agent, heard = shown(lines, understood, 5)
    assert caller.split("  ")[-1].strip() == "Where is my hat? When does my lamp come?"
    assert agent.split("  ")[-1].strip() == " ".join(said)
    assert " of 13 words differ)" in heard
    (recording,) = tmp_path.glob("agentfield-demo-*/agent.wav")
    assert f"Listen to it: {recording}" in lines
    with wave.open(str(recording)) as file:
        assert file.getnframes() > 2 * file.getframerate()
    assert sum("stopped with exit code 0" in line for line in lines) == 4
    assert not any("\033" in line for line in lines)


def called(
    *answers: str, asked: str = "Where is my hat? When does my lamp come?", reason: str = ""
) -> Called:
    """Return a call in which the agent gave these answers."""
    turns = [SimpleNamespace(role="user", text=asked)]
    turns += [SimpleNamespace(role="agent", text=answer) for answer in answers]
    session: Any = SimpleNamespace(turns=turns, end_reason=reason or "client_hangup")
    find = Step(target="orders.find", status="succeeded", execution_id="", duration_ms=1)
    look = replace(find, target="support.resolve_voice_turn", children=(find,))
    root = replace(find, target="support.voice", children=(look, look))
    tools = [ToolCall(name="resolve_voice_turn", status="succeeded")]
    return Called(session=session, events=[], tools=tools, workflow=root)


@pytest.mark.parametrize(
    ("call", "recorded", "why"),
    [
        (called(*ANSWERS[:1]), ANSWERS[0], "the answers should be"),
        (called(*ANSWERS, asked="Where is it?"), " ".join(ANSWERS), "caller's words were not"),
        (called(*ANSWERS), "I looked.", "agent's recorded words were not understood: 85%"),
        (called(*ANSWERS, reason="provider_error"), " ".join(ANSWERS), "the end should be"),
        (replace(called(*ANSWERS), tools=[]), " ".join(ANSWERS), "the tool calls should be"),
    ],
)
def test_a_demo_fails_if_anything_is_not_as_it_should_be(
    call: Called, recorded: str, why: str
) -> None:
    check(called(*ANSWERS), " ".join(ANSWERS).lower())

    with pytest.raises(RuntimeError, match=why):
        check(call, recorded)


@pytest.mark.timeout(300)
async def test_a_demo_that_fails_says_why_shows_the_logs_and_exits_with_1(tmp_path: Path) -> None:
    broken = tmp_path / "examples"
    shutil.copytree(EXAMPLES, broken)
    (broken / "voice_agent.py").write_text("raise SystemExit('no such microphone')")

    async with demo(broken, tmp_path) as running:
        code, _, err = await running.ends()

    assert code == 1
    assert "The demo failed: the voice agent ended too early" in err
    assert "--- what the voice agent printed ---\nno such microphone" in err
    assert "--- what the control plane printed ---" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_demo_that_is_told_to_stop_while_it_starts_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with demo(EXAMPLES, tmp_path) as running:
        provider = (await running.until("  The provider hears")).split()[6]
        running.process.send_signal(number)
        code, _, err = await running.ends()

    assert (code, err) == (130, "")
    with pytest.raises(aiohttp.ClientConnectorError):
        async with aiohttp.request("GET", provider):
            pass


async def test_a_part_that_has_ended_before_it_was_told_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the kettle exited with 3"):
        async with program("kettle", "-c", "raise SystemExit(3)", folder=tmp_path) as kettle:
            await kettle.process.wait()


def test_a_terminal_that_controls_something_else_is_left_alone() -> None:
    ours, its = os.openpty()
    asked = "from demo import terminal\nwith terminal(): print('in')"
    command = [sys.executable, "-c", asked]
    answer = subprocess.run(
        command, cwd=EXAMPLES, stdin=its, capture_output=True, start_new_session=True, check=False
    )
    os.close(ours)
    os.close(its)
    assert (answer.stdout, answer.stderr) == (b"in\n", b"")


async def test_whoever_stops_reading_the_demo_stops_it(tmp_path: Path) -> None:
    ours, its = os.pipe()
    command = (sys.executable, str(EXAMPLES / "demo.py"))
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", 'exec "$@" <&-', "sh", *command),
        stdout=its,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": ""},
    )
    os.close(its)
    first = os.read(ours, len("Starting\n"))
    os.close(ours)
    async with asyncio.timeout(DEMO_PATIENCE):
        _, err = await process.communicate()

    assert (process.returncode, first, err) == (0, b"Starting\n", b"")


@pytest.mark.parametrize(
    ("said", "understood", "count"),
    [
        ("Where is my hat?", "Where's my hat", 0),
        ("It left today.", "it left to-day", 0),
        ("Where is my hat?", "Where is my cat?", 1),
        ("Where is my hat?", "Where is it?", 2),
        ("My hat.", "And where is my hat?", 3),
        ("Where is my hat?", "", 4),
        ("", "Yes.", 1),
    ],
)
def test_texts_differ_by_the_words_that_are_missing_or_others(
    said: str, understood: str, count: int
) -> None:
    assert differences(said, understood) == count


async def test_a_client_over_plain_rest_sees_the_whole_log_over_a_lost_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with voice_world(tmp_path, Script(heard=["Where is my hat?"])) as voice:
        wire = CutWire(voice.http_address)
        await voice.server()
        agents = [
            await voice.processes.program(str(EXAMPLES / name))
            for name in ("orders_agent.py", "voice_agent.py")
        ]
        await voice.processes.until(
            lambda: all('"message":"connected"' in agent.log.read_text() for agent in agents)
        )
        async with wire.laid():
            monkeypatch.setenv("AGENTFIELD_URL", f"http://{wire.address}")
            client = await voice.processes.program(str(EXAMPLES / "rest_client.py"))
            lines = [await client.line()]
            while " session.ended " not in lines[-1]:
                if " session.live " in lines[-1]:
                    wire.cut()
                    wire.mend()
                lines.append(await client.line())
            assert await client.exit_code() == 0

    events = [line.split(maxsplit=2) for line in lines]
    logged = [int(number) for number, *_ in events if number != "0"]
    assert logged == list(range(1, len(logged) + 1))
    assert [type_ for _, type_, _ in events].count("watch.started") == 2
    assert '"reason": "client_hangup"' in lines[-1]
    assert client.log.read_text() == ""


async def test_the_researcher_and_the_writer_work_together(world: World, client: Client) -> None:
    await world.server()
    agents = [
        await world.program(str(EXAMPLES / name))
        for name in ("research_agent.py", "writer_agent.py")
    ]
    await world.until(
        lambda: all('"message":"connected"' in agent.log.read_text() for agent in agents)
    )
    question = {"text": "what lives in the garden?", "topics": ["bees", "owls", "moss"]}

    investigation = await client.submit("research.investigate", question=question)
    report = await investigation.result()

    assert report["title"] == "What lives in the garden?"
    assert report["paragraphs"][2] == "Moss: moss has no roots (p. 2)."
    workflow = await client.workflow(investigation.run_id)
    assert (workflow.total_executions, workflow.failed_executions) == (11, 0)
