"""``python -m agentfield``: the control plane, and the gateway in the same process."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys

from agentfield.app import running
from agentfield.config import Config, read_config
from agentfield.process.exporting import exporting
from agentfield.process.flags import ConfigError
from agentfield.process.lifetime import failed, until_signalled
from agentfield.process.logs import configure_logging
from agentfield.store.database import DatabaseUnreachable, SchemaTooNew
from agentfield.store.sqlite import DataFolderInUse
from agentfield.telemetry import served
from agentfield.v1.errors import AgentFieldError


async def serve(config: Config) -> None:
    """Run until a signal drains it."""
    with served(config.metrics_bind) as metrics:
        async with running(config) as app:
            addresses = {"grpc": app.grpc_address, "http": app.http_address}
            await until_signalled(**addresses, **({"metrics": metrics} if metrics else {}))


def main() -> int:
    """Read the configuration and serve; return the exit code."""
    try:
        config = read_config(sys.argv[1:], os.environ)
        configure_logging(config.log_level)
        with exporting("agentfield-server", os.environ):
            asyncio.run(serve(config))
    except ConfigError as error:
        return failed(error, 1)
    except (
        *(DataFolderInUse, DatabaseUnreachable, SchemaTooNew),
        *(AgentFieldError, sqlite3.Error, OSError),
    ) as error:
        return failed(error, 3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
