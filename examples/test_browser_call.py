import os
import shutil
from pathlib import Path

import pytest
from orders_agent import app as orders
from playwright.async_api import async_playwright
from voice_agent import app as support

from agentfield.simulator.mind import LocalMind
from agentfield.simulator.speech import local_speech, write_wav
from agentfield.testing import control_plane, simulator

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
FLAGS = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--no-sandbox",
]


@pytest.mark.asyncio
async def test_somebody_asks_for_their_hat(tmp_path: Path) -> None:
    wav = tmp_path / "question.wav"
    async with local_speech() as speech, async_playwright() as playwright:
        question = [sound async for sound in speech.mouth.speak("Where is my hat?")]
        write_wav(wav, question, before_ms=700)
        async with simulator(speech=speech, mind=LocalMind()) as provider:
            async with control_plane(simulator=provider) as plane:
                async with orders.serving(), support.serving():
                    microphone = f"--use-file-for-fake-audio-capture={wav}%noloop"
                    browser = await playwright.chromium.launch(
                        executable_path=CHROMIUM, args=[*FLAGS, microphone]
                    )
                    page = await browser.new_page()
                    await page.goto(f"http://{plane.http_address}/")
                    await page.get_by_role("button", name="Start call").click()
                    said = page.get_by_role("listitem")
                    await said.filter(has_text="it left the warehouse today").wait_for()
                    await page.get_by_role("button", name="Hang up").click()
                    await page.get_by_role("heading", name="The call has ended").wait_for()
                    await browser.close()
