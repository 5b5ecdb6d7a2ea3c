"""The running simulator, as its user holds it."""

from __future__ import annotations

__all__ = ["Simulator", "running"]

import errno
import ipaddress
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from agentfield.simulator.control import control_routes
from agentfield.simulator.journal import Journal
from agentfield.simulator.peers import on_address
from agentfield.simulator.provider import Provider
from agentfield.simulator.requests import every_request
from agentfield.simulator.routes import provider_routes
from agentfield.simulator.script import Heard, Script
from agentfield.simulator.senses import Mind, Senses, Speech
from agentfield.simulator.tasks import owned_tasks

_LARGEST_BODY = 16 * 1024 * 1024


class Simulator:
    """Directs a running simulator and shows what has happened in it."""

    def __init__(self, *, origin: str, provider: Provider) -> None:
        self.origin = origin
        """Such as ``http://127.0.0.1:43211``."""
        self.base_url = f"{origin}/v1"
        """What clients of the provider take as its base URL."""
        self._provider = provider

    @property
    def journal(self) -> Journal:
        """Every frame and every request."""
        return self._provider.journal

    @property
    def script(self) -> Script:
        """The script that is played; a new one counts at once, also for running calls."""
        return self._provider.script

    @script.setter
    def script(self, script: Script) -> None:
        self._provider.script = script

    def calls(self) -> Sequence[str]:
        """Return the ids of the running calls, oldest first."""
        return [call.id for call in self._provider.calls.values() if not call.ended.is_set()]

    def speak(self, call_id: str, heard: Heard | str | None = None, *, lasts_ms: int = 300) -> None:
        """Have the caller say something without sending any audio.

        Without ``heard`` it is what the script says is heard next; ears listen to the audio instead.
        """
        utterance = Heard(text=heard) if isinstance(heard, str) else heard
        self._provider.running(call_id).speech(utterance, lasts_ms)

    def expire_client_secrets(self) -> None:
        """Let the time of all client secrets be over."""
        self._provider.keys.expire()

    def drop_sidebands(self, call_id: str) -> None:
        """Break off the sidebands of a call, which itself goes on."""
        self._provider.running(call_id).drop_sidebands()

    def end(self, call_id: str) -> None:
        """End a call from the provider's side."""
        self._provider.running(call_id).end()


@asynccontextmanager
async def running(
    *,
    script: Script | None = None,
    api_key: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    speech: Speech | None = None,
    mind: Mind | None = None,
) -> AsyncIterator[Simulator]:
    """Run a simulator in this event loop until the block is left.

    With ``speech`` it understands what callers say and answers with a voice, and with a ``mind`` it
    decides for itself what to answer and which functions to call; the script stands in for what is
    not given.
    Any key is accepted unless ``api_key`` is given. Port 0 picks a free one. ``host`` is also the
    one address at which media is received, for all WebRTC connections of this process meanwhile;
    it must be an IPv4 address. Raises OSError when it cannot be listened on.
    """
    ipaddress.IPv4Address(host)
    senses = Senses(
        ears=speech.ears if speech else None, mouth=speech.mouth if speech else None, mind=mind
    )
    provider = Provider(script=script or Script(), api_key=api_key, senses=senses)
    async with owned_tasks() as tasks:
        app = web.Application(
            middlewares=[every_request(provider.journal)], client_max_size=_LARGEST_BODY
        )
        app.add_routes([*provider_routes(provider, tasks), *control_routes(provider)])
        with on_address(host), provider.all_ended():
            async with _serving(app, host, port) as bound:
                with provider.all_ended():
                    yield Simulator(origin=f"http://{host}:{bound}", provider=provider)


@asynccontextmanager
async def _serving(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        if error.errno == errno.EADDRINUSE:
            why = "it is in use by another program; port 0 picks a free one"
        raise OSError(f"cannot listen on {host}:{port}: {why}") from error
