"""What ``af session talk`` does."""

from __future__ import annotations

__all__ = ["Plan", "planned", "talk"]

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import (
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from agentfield.process.groups import sole_error
from agentfield.v1 import errors
from agentfield.v1 import session_service_pb2 as pb
from agentfield_cli.exits import Exit
from agentfield_cli.formats import Format
from agentfield_cli.link import Link, ask
from agentfield_cli.talk.audio import Recording, read_speech
from agentfield_cli.talk.call import Call, NotAnswered, Over
from agentfield_cli.talk.phone import Listener, Phone, calling
from agentfield_cli.talk.screen import Screen, ending

_FAREWELL = 5.0
"""How long the last events may take once the session has ended."""
_ECHO = 0.3
"""How long a room repeats what came out of a loudspeaker, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the caller does."""

    utterances: Sequence[bytes]
    """Empty: a person speaks."""
    recording: Path | None
    pause: float | None
    patience: float
    headphones: bool


def planned(
    *,
    speech: Sequence[Path],
    recording: Path | None,
    pause: float | None,
    patience: float,
    headphones: bool,
) -> Plan:
    """Read what there is to say. Raises InvalidArgument for what cannot be read."""
    return Plan(
        utterances=[read_speech(path) for path in speech],
        recording=recording,
        pause=pause,
        patience=patience,
        headphones=headphones,
    )


async def talk(link: Link, output: Format, whom: pb.StartSessionRequest | str, plan: Plan) -> None:
    """Start a session, or join the one of this id; call, say everything, hang up.

    Leaves with Exit.FAILED, and says why, when that is not how it went.
    """
    with ExitStack() as stack:
        stack.enter_context(_stopped_by_sigterm())
        recording = None
        if plan.recording is not None:
            recording = stack.enter_context(Recording(plan.recording))
        screen = stack.enter_context(Screen(output))
        try:
            await _talk(link, whom, plan, screen, recording)
        except BaseExceptionGroup as group:
            raise sole_error(group) from None
        finally:
            if recording is not None and recording.seconds:
                screen.note("recorded", f"{recording.path}, {recording.seconds:.1f} s")


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Have SIGTERM do what Ctrl-C does: hang up. The exit code is a shell's for it."""
    signals: list[int] = []
    task = asyncio.current_task()

    def stop() -> None:
        signals.append(signal.SIGTERM)
        if task is not None:
            task.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        yield
    except asyncio.CancelledError:
        if signals:
            raise typer.Exit(128 + signal.SIGTERM) from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def _talk(
    link: Link,
    whom: pb.StartSessionRequest | str,
    plan: Plan,
    screen: Screen,
    recording: Recording | None,
) -> None:
    listeners: list[Listener] = [] if recording is None else [recording.hear]
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        enter = stack.enter_async_context
        phone = await enter(calling(tasks, listeners))
        if not plan.utterances:
            _let_a_person_speak(stack, phone, listeners, headphones=plan.headphones)
        if isinstance(whom, str):
            call = Call(await enter(link.open()), whom, phone, screen)
            await call.place()  # until it has been, the session is somebody else's to end
            screen.note("session", whom)
            await enter(_followed(call, tasks))
        else:
            started = await _start(link, whom)
            screen.note("session", started.session_id)
            own = replace(link, api_key=started.session_token)
            call = Call(await enter(own.open()), started.session_id, phone, screen)
            await enter(_followed(call, tasks))
            await call.place()
        await _converse(call, plan)


async def _converse(call: Call, plan: Plan) -> None:
    try:
        await call.connected()
        if plan.utterances:
            await call.say_all(plan.utterances, pause=plan.pause, patience=plan.patience)
        else:
            await call.ended()
    except NotAnswered as failure:
        raise _failed(str(failure)) from None
    except Over:
        end = call.dialogue.end or {}
        if end.get("reason") != "agent_ended" or call.unsaid:
            why = ending(end.get("reason", ""), end.get("detail") or "")
            left = f" before all was said ({call.unsaid} left)" if call.unsaid else ""
            raise _failed(f"the session ended{left}: {why}") from None
    except asyncio.CancelledError:
        if plan.utterances:
            raise
        # Ctrl-C is how a person hangs up.


async def _start(link: Link, request: pb.StartSessionRequest) -> pb.StartSessionResponse:
    async with link.open() as connection:
        return await ask(connection, connection.sessions.StartSession, request)


@asynccontextmanager
async def _followed(call: Call, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
    """Show what happens; when the block is left, end the session and show that, too."""
    following = tasks.create_task(call.follow(), name="follow the session")
    try:
        yield
    finally:
        if call.dialogue.end is None:
            with suppress(errors.AgentFieldError):
                await call.hang_up()
        await asyncio.wait({following}, timeout=_FAREWELL)
        following.cancel()


def _let_a_person_speak(
    stack: AsyncExitStack, phone: Phone, listeners: list[Listener], *, headphones: bool
) -> None:
    from agentfield_cli.talk.microphone import Headset, headset

    clock = asyncio.get_running_loop().time

    def speak(samples: bytes) -> None:
        if headphones or clock() - phone.heard_at > _ECHO:
            phone.feed(samples)

    person = Headset()
    listeners.append(person.hear)
    stack.enter_context(headset(person, speak))
    hint = "" if headphones else "; while the agent speaks it does not hear you, see --headphones"
    print(f"note: speak; Ctrl-C hangs up{hint}", file=sys.stderr)


def _failed(why: str) -> typer.Exit:
    print(f"error: {why}", file=sys.stderr)
    return typer.Exit(Exit.FAILED)
