"""Logs as JSON lines.

Messages are constants and values are fields. What people said, inputs, results, texts of errors and
keys are never logged.
"""

from __future__ import annotations

__all__ = ["about", "configure_logging"]

import logging
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import orjson
from opentelemetry import trace

from agentfield.process.flags import ConfigError

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR"})
_ABOUT: ContextVar[Mapping[str, str]] = ContextVar("agentfield_about", default=MappingProxyType({}))


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Put ids on every line that is logged within the block, and in the tasks it starts."""
    before = _ABOUT.get()
    _ABOUT.set({**before, **{name: value for name, value in ids.items() if value}})
    try:
        yield
    finally:
        # Not by a token: the stream of a caller who has left is closed in another context.
        _ABOUT.set(before)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= _ABOUT.get()
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line |= {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}
        line |= {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name and shape
        """Return where an error came from, and what led to it, without their texts."""
        return "" if ei[1] is None else "\n".join(_places(ei[1]))


def _places(error: BaseException) -> Iterator[str]:
    """Yield types and places: an error's own words may quote what nobody is to read."""
    yield type(error).__name__
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} {frame.name}"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _places(one)
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield "after"
        yield from _places(before)


def configure_logging(level: str) -> None:
    """Log to stderr, one JSON object a line. Raises ConfigError for a level there is not."""
    if level.upper() not in _LEVELS:
        raise ConfigError(f"The log level is debug, info, warning or error, not '{level}'.")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
