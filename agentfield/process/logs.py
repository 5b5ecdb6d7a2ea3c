"""Logs as JSON lines.

Messages are constants and values are fields. What people said, inputs, results, error texts of
functions and keys are never logged.
"""

from __future__ import annotations

__all__ = ["configure_logging"]

import logging
import sys
import time
from typing import Any

import orjson

from agentfield.process.flags import ConfigError

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR"})


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure_logging(level: str) -> None:
    """Log to stderr, one JSON object a line. Raises ConfigError for a level there is not."""
    if level.upper() not in _LEVELS:
        raise ConfigError(f"The log level is debug, info, warning or error, not '{level}'.")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
