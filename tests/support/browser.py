"""A real browser with a microphone that plays a file: Chromium, by Playwright's async API.

A test that uses it runs in its module's event loop: ``pytest.mark.asyncio(loop_scope="module")``.
"""

from __future__ import annotations

__all__ = ["Browsers", "Microphone", "Visit", "browsing"]

import asyncio
import os
import re
import signal
import subprocess
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from agentfield.simulator.tone import pcm_tone

_FIND = Path(__file__).parents[2] / "scripts" / "chromium.sh"
_PATIENCE = 30.0
_RATE = 24_000
_LEAD_MS = 700
"""What is spoken before a call is connected is lost."""
_FLAGS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    # Nothing but what a test asks for goes out, and that not far.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Microphone:
    """What a browser's microphone hears, each time that a page opens it from the beginning."""

    wav: Path
    repeats: bool = False
    """Whether it begins again at its end; otherwise silence follows."""

    @classmethod
    def of(
        cls,
        wav: Path,
        pcm: bytes,
        *,
        rate: int = _RATE,
        lead_ms: int = _LEAD_MS,
        pause_ms: int = 0,
        repeats: bool = False,
    ) -> Microphone:
        """Write a file: some silence, these 16-bit samples of one channel, and a pause."""
        with wave.open(str(wav), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(rate)
            out.writeframes(bytes(rate * lead_ms // 1000 * 2) + pcm)
            out.writeframes(bytes(rate * pause_ms // 1000 * 2))
        return cls(wav=wav, repeats=repeats)

    @property
    def flag(self) -> str:
        """Return what the browser is told. It is silent about a file that is not there."""
        if not self.wav.is_file():
            raise FileNotFoundError(self.wav)
        return f"--use-file-for-fake-audio-capture={self.wav.resolve()}" + (
            "" if self.repeats else "%noloop"
        )


@dataclass(kw_only=True)
class Visit:
    """A page in a context of its own."""

    page: Page
    browser: Browser
    complaints: list[str] = field(default_factory=list)
    """What it wrote to its console as an error, or raised and did not catch."""
    origins: set[str] = field(default_factory=set)
    """Where it sent requests."""
    forgiven: re.Pattern[str] | None = None
    """Complaints that the test expects."""

    async def kill(self) -> None:
        """SIGKILL the browser, which nobody else may use, and wait until it is gone."""
        gone = asyncio.Event()
        self.browser.on("disconnected", lambda _: gone.set())
        session = await self.browser.new_browser_cdp_session()
        processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
        for process in processes:
            if process["type"] == "browser":
                os.kill(process["id"], signal.SIGKILL)
        async with asyncio.timeout(_PATIENCE):
            await gone.wait()

    def check(self) -> None:
        """Raise AssertionError if the page complained about what the test does not expect."""
        forgiven = self.forgiven
        left = [each for each in self.complaints if not (forgiven and forgiven.search(each))]
        assert not left, "The page complained:\n" + "\n".join(left)

    def _told(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def _requested(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"}:
            self.origins.add(f"{address.scheme}://{address.netloc}")

    def follow(self) -> None:
        """Take note of what the page does from now on."""
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._requested)


class Browsers:
    """The browsers of one module: the microphone belongs to the browser, so one for each."""

    def __init__(self, chromium: Any, folder: Path, stack: AsyncExitStack) -> None:
        self._chromium = chromium
        self._stack = stack
        self._running: dict[Microphone, Browser] = {}
        tone = pcm_tone(600, rate=_RATE)
        self.tone = Microphone.of(folder / "tone.wav", tone, pause_ms=1000)
        """The simulator takes a tone for speech; what it hears in it is in its script."""
        self.silence = Microphone.of(folder / "silence.wav", b"", pause_ms=1000)
        """Nothing is heard in it but what a test says otherwise."""

    @asynccontextmanager
    async def visiting(
        self,
        address: str = "about:blank",
        *,
        microphone: Microphone | None = None,
        forgiven: str = "",
        alone: bool = False,
        before: Path | None = None,
        **options: Any,
    ) -> AsyncIterator[Visit]:
        """Open a page in a new context, and close both when the block is left.

        ``options`` are those of a context. ``forgiven`` is a pattern of the complaints that do not
        fail the test. ``alone``: in a browser of its own, which may be killed. ``before``
        is JavaScript that is run before that of the page. Raises
        AssertionError at the end for other complaints.
        """
        microphone = microphone or self.tone
        async with AsyncExitStack() as stack:
            if alone:
                browser = await self._launch(microphone, stack)
            else:
                browser = await self._shared(microphone)
            context = await browser.new_context(permissions=["microphone"], **options)
            stack.push_async_callback(_closing, context, browser)
            pattern = re.compile(forgiven) if forgiven else None
            if before is not None:
                await context.add_init_script(path=before)
            visit = Visit(page=await context.new_page(), browser=browser, forgiven=pattern)
            visit.follow()
            await visit.page.goto(address)
            try:
                yield visit
            except BaseException as error:
                error.add_note("\n".join(["The page complained:", *visit.complaints]))
                raise
        visit.check()

    async def _shared(self, microphone: Microphone) -> Browser:
        if microphone not in self._running:
            self._running[microphone] = await self._launch(microphone, self._stack)
        return self._running[microphone]

    async def _launch(self, microphone: Microphone, stack: AsyncExitStack) -> Browser:
        browser: Browser = await self._chromium.launch(
            executable_path=_chromium(), args=[*_FLAGS, microphone.flag]
        )
        stack.push_async_callback(browser.close)
        return browser


async def _closing(context: Any, browser: Browser) -> None:
    if browser.is_connected():
        await context.close()


@cache
def _chromium() -> str:
    """Return where the browser is; without one, fail with what to do."""
    found = subprocess.run([str(_FIND)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Browsers]:
    """Give tests browsers, which are gone when the block is left."""
    async with async_playwright() as playwright, AsyncExitStack() as stack:
        yield Browsers(playwright.chromium, folder, stack)
