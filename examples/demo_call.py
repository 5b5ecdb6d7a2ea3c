"""The call of the demo, from the caller's words to what was understood of the answers.

The words are synthesised, and ``af session talk`` says them; what the agent said is recorded, and
understood again. All of it is compared with what it should be.
"""

from __future__ import annotations

__all__ = ["ANSWERS", "FAILURES", "check", "main"]

import asyncio
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from demo_parts import Parts, starting
from demo_words import differences, words_of
from show_call import Called, show

from agentfield import AgentFieldError, Client
from agentfield.simulator.speech import (
    LocalSpeech,
    SpeechDamaged,
    SpeechNotInstalled,
    local_speech,
    read_wav,
    write_wav,
)

TARGET = "support.voice"
QUESTIONS = ("Where is my hat?", "When does my lamp come?")
ANSWERS = ("I looked: it left the warehouse today.", "I looked: it comes on Tuesday.")
TOLERANCE = 0.25
"""Of the words. Small models mishear, most of all short words and names."""
LOOKED = ("support.resolve_voice_turn", ("orders.find",))
WORKFLOW = (TARGET, LOOKED, LOOKED)
FAILURES = (OSError, RuntimeError, AgentFieldError, SpeechNotInstalled, SpeechDamaged)
"""What is told in words."""


async def synthesise(speech: LocalSpeech, folder: Path) -> list[Path]:
    """Have the caller's words spoken into files."""
    files = []
    for number, question in enumerate(QUESTIONS, 1):
        files.append(folder / f"caller-{number}.wav")
        write_wav(files[-1], [sound async for sound in speech.mouth.speak(question)])
    return files


async def talk(parts: Parts, questions: list[Path], answer: Path) -> None:
    """Call as anybody can from the command line."""
    said = [word for question in questions for word in ("--wav", str(question))]
    words = ["session", "talk", TARGET, *said, "--out", str(answer), "--patience", "90"]
    print(f"\n$ af {shlex.join(words)}\n", flush=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agentfield_cli", *words),
        env=os.environ | {"AGENTFIELD_GRPC": parts.grpc, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)  # it hangs up
            await process.wait()
    if code != 0:
        raise RuntimeError(f"af session talk exited with {code}")


async def read_back(parts: Parts) -> Called:
    """Read all that is known of the call."""
    async with Client(parts.grpc) as client:
        session = await anext(client.sessions.list(target=TARGET))
        events = [event async for event in client.sessions.watch(session.session_id)]
        workflow = await client.workflow(session.run_id)
        return Called.of(await client.sessions.get(session.session_id), events, workflow)


def check(call: Called, recorded: str) -> None:
    """Raise RuntimeError if anything is missing that should have happened."""
    print(f"\nWhat was understood (at most {TOLERANCE:.0%} of the words may differ)\n")
    heard, answered = (
        tuple(turn.text for turn in call.session.turns if turn.role == role)
        for role in ("user", "agent")
    )
    differ = {
        "the caller's words": _compared("caller", " ".join(QUESTIONS), " ".join(heard)),
        "the agent's recorded words": _compared("agent", " ".join(answered), recorded),
    }
    for what, found, expected in (
        ("answers", answered, ANSWERS),
        ("tool calls", [tool.status for tool in call.tools], ["succeeded"]),
        ("workflow", call.workflow.shape, WORKFLOW),
        ("end", call.session.end_reason, "client_hangup"),
    ):
        if found != expected:
            raise RuntimeError(f"the {what} should be\n  {expected}\nand is\n  {found}")
    for what, share in differ.items():
        if share > TOLERANCE:
            raise RuntimeError(f"{what} were not understood: {share:.0%} of them differ")


def _compared(who: str, said: str, understood: str) -> float:
    """Print two texts, and return the share of words in which they differ."""
    count, total = differences(said, understood), len(words_of(said))
    print(f"  {who} said        {said}")
    print(f"  {'':<{len(who)}} understood  {understood}  ({count} of {total} words differ)\n")
    return count / max(total, 1)


def when_told_to_stop(what: Callable[[], object]) -> None:
    """Have it done, in place of what was to be done before."""
    # A terminal that is closed sends SIGHUP.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, what)


def break_off_when_told_to_stop() -> None:
    """Have the task that we are cancelled, and with it everything it has started."""
    task = asyncio.current_task()
    if task is not None:
        when_told_to_stop(task.cancel)


async def keep(parts: Parts) -> None:
    """Go on until we are told to stop, so that a person can talk."""
    stop = asyncio.Event()
    when_told_to_stop(stop.set)
    print(f"\nTalk to it: http://{parts.http}/#target={TARGET}\n")
    print(f'  Allow the microphone and ask, for instance, "{QUESTIONS[0]}"')
    print(f"  Or talk from a terminal: .venv/bin/af -s {parts.grpc} session talk {TARGET}")
    print("  Ctrl-C stops everything.", flush=True)
    await stop.wait()
    break_off_when_told_to_stop()


async def main(*, go_on: bool) -> None:
    """Start everything, call, show and check what came of it, and stop everything."""
    break_off_when_told_to_stop()
    folder = Path(tempfile.mkdtemp(prefix="agentfield-demo-"))
    began = time.monotonic()
    print("  Loading what hears and speaks, for the provider and for the caller ...", flush=True)
    with tempfile.TemporaryDirectory() as data:
        async with starting(Path(data)) as parts, local_speech() as speech:
            print(f"  Everything is ready after {time.monotonic() - began:.0f} s.\n\nCalling")
            answer = folder / "agent.wav"
            await talk(parts, await synthesise(speech, folder), answer)
            call = await read_back(parts)
            show(call)
            check(call, await speech.ears.transcribe(read_wav(answer)))
            print(f"\nListen to it: {answer}", flush=True)
            if go_on:
                await keep(parts)
            else:
                print(f"\nThe page was at http://{parts.http}/; `make demo KEEP=1` lets you talk.")
    print("\nDone.")
