"""Logs as JSON lines, and metrics.

Messages are constants and values are fields. What people said, inputs, results, error texts of
functions and keys are never logged.
"""

from __future__ import annotations

__all__ = ["EXECUTIONS", "RPCS", "RPC_SECONDS", "WORKERS", "configure_logging"]

import logging
import sys
import time
from typing import Any

import orjson
from prometheus_client import Counter, Gauge, Histogram

RPCS = Counter("agentfield_rpc_total", "Finished rpcs.", ["method", "reason"])
RPC_SECONDS = Histogram("agentfield_rpc_seconds", "How long rpcs took.", ["method"])
EXECUTIONS = Counter("agentfield_executions_total", "Executions that ended.", ["status"])
WORKERS = Gauge("agentfield_workers", "Connected workers.")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


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
    """Log to stderr, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
