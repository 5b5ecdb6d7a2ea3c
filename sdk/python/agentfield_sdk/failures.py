"""What is told of an error that somebody's function raised."""

from __future__ import annotations

__all__ = ["facts_of", "limited", "text_of"]

from traceback import TracebackException, extract_tb

from agentfield.v1 import errors

_MAX_ERROR = 32 * 1024


def facts_of(error: BaseException) -> dict[str, str]:
    """Return what a log may say of it: its type, and where in the function's own code."""
    frames = [f for f in extract_tb(error.__traceback__) if "agentfield_sdk" not in f.filename]
    return {
        "type": type(error).__name__,
        "at": f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "",
    }


def text_of(error: BaseException) -> str:
    """Return what a report says of it."""
    return error.message if isinstance(error, errors.AgentFieldError) else _words(error)


def limited(text: str) -> str:
    """Return a text that a report can carry."""
    # File names may hold surrogates, which protobuf does not take.
    return text[:_MAX_ERROR].encode(errors="replace").decode()


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return f"{error.message}: {'; '.join(map(_words, error.exceptions))}"
    # TracebackException survives errors whose own text raises.
    text = str(TracebackException(type(error), error, None))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
