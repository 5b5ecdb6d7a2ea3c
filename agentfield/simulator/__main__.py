"""``python -m agentfield.simulator``: the simulated provider as a program of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from agentfield.simulator.mind import ChatMind, LocalMind
from agentfield.simulator.refusals import Refused
from agentfield.simulator.script import Script
from agentfield.simulator.scriptjson import script_from_json
from agentfield.simulator.senses import Mind
from agentfield.simulator.simulator import running
from agentfield.simulator.speech import SpeechDamaged, SpeechNotInstalled, local_speech

_CHAT_KEY = "AGENTFIELD_CHAT_API_KEY"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agentfield.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address of HTTP and of media")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--api-key", help="the only key that is accepted; any if not given")
    parser.add_argument("--script", type=Path, help="a JSON file with the script")
    parser.add_argument(
        "--voice",
        action="store_true",
        help="hear, decide and speak for real, in place of the script's words: needs the extra "
        "voice-local, and no network",
    )
    parser.add_argument(
        "--chat-url",
        help=f"with --voice: the OpenAI-compatible chat API that decides and words the replies, "
        f"such as http://127.0.0.1:11434/v1; its key is taken from {_CHAT_KEY}",
    )
    parser.add_argument("--chat-model", help="the model it is asked for")
    arguments = parser.parse_args()
    if (arguments.chat_url is None) != (arguments.chat_model is None):
        parser.error("--chat-url and --chat-model belong together")
    if arguments.chat_url is not None and not arguments.voice:
        parser.error("--chat-url needs --voice")
    return arguments


async def _serve(arguments: argparse.Namespace, script: Script) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        speech = mind = None
        if arguments.voice:
            speech = await stack.enter_async_context(local_speech())
            mind = _mind(arguments)
        simulator = await stack.enter_async_context(
            running(
                script=script,
                api_key=arguments.api_key,
                host=arguments.host,
                port=arguments.port,
                speech=speech,
                mind=mind,
            )
        )
        ready = {"event": "ready", "http": simulator.origin, "base_url": simulator.base_url}
        ready |= {"voice": arguments.voice}
        print(json.dumps(ready), flush=True)  # noqa: T201 - whoever started this waits for it
        await stop.wait()


def _mind(arguments: argparse.Namespace) -> Mind:
    if arguments.chat_url is None:
        return LocalMind()
    key = os.environ.get(_CHAT_KEY, "")
    return ChatMind(arguments.chat_url, arguments.chat_model, key)


class _Lines(logging.Formatter):
    """Writes a record with its fields."""

    def format(self, record: logging.LogRecord) -> str:
        usual = vars(logging.makeLogRecord({}))
        fields = {key: value for key, value in vars(record).items() if key not in usual}
        told = "".join(f" {key}={value}" for key, value in fields.items() if key != "message")
        return f"{super().format(record)}{told}"


def _log() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines(logging.BASIC_FORMAT))
    logging.basicConfig(level="WARNING", handlers=[handler])


def _script(path: Path | None) -> Script:
    return Script() if path is None else script_from_json(json.loads(path.read_text()))


def _failed(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201 - for the person who starts it
    return code


def main() -> int:
    """Read the script and serve until a signal comes; return the exit code."""
    arguments = _arguments()
    _log()
    try:
        script = _script(arguments.script)
    except (OSError, ValueError, Refused) as error:
        return _failed(error, 1)
    try:
        asyncio.run(_serve(arguments, script))
    except (SpeechNotInstalled, SpeechDamaged, ValueError, OverflowError) as error:
        return _failed(error, 1)
    except OSError as error:
        return _failed(error, 3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
