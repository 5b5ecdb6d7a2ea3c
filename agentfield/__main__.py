"""``python -m agentfield``: the control plane, and the gateway in the same process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from agentfield.app import running
from agentfield.config import Config, ConfigError, read_config
from agentfield.store.database import DataFolderInUse, SchemaTooNew
from agentfield.telemetry import configure_logging


async def serve(config: Config) -> None:
    """Run until the first signal drains it; a second one leaves at once."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    async with running(config) as app:
        ready = {"event": "ready", "grpc": app.grpc_address, "http": app.http_address}
        print(json.dumps(ready), flush=True)  # noqa: T201 - whoever started this waits for it
        await stop.wait()


def main() -> int:
    """Read the configuration and serve; return the exit code."""
    try:
        config = read_config(sys.argv[1:], os.environ)
        configure_logging(config.log_level)
        asyncio.run(serve(config))
    except ConfigError as error:
        return _failed(error, 1)
    except (DataFolderInUse, SchemaTooNew, OSError) as error:
        return _failed(error, 3)
    return 0


def _failed(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201 - for the person who starts it
    return code


if __name__ == "__main__":
    sys.exit(main())
