"""Values as they travel, and back."""

from __future__ import annotations

__all__ = ["dump", "duration", "load"]

import json
import re
from typing import Any

import orjson
from google.protobuf.duration_pb2 import Duration
from pydantic_core import PydanticSerializationError, to_json

from agentfield.v1 import errors

# orjson reads integers beyond 64 bits as floats; nothing shorter than this can be one.
_LONG_NUMBER = re.compile(rb"\d{19}")


def dump(value: Any) -> bytes:
    """Return the value as JSON: plain values, pydantic models, dataclasses, times, sets.

    Raises InvalidArgument that says what cannot be written.
    """
    try:
        return to_json(value, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError) as error:
        raise errors.InvalidArgument(f"The input cannot be written as JSON: {error}") from None


def load(data: bytes) -> Any:
    """Return the value that JSON stands for; integers of any size stay exact. Empty: None."""
    if not data:
        return None
    return json.loads(data) if _LONG_NUMBER.search(data) else orjson.loads(data)


def duration(seconds: float | None) -> Duration | None:
    """Return seconds as the contract says them; None stays unset."""
    if seconds is None:
        return None
    value = Duration()
    value.FromNanoseconds(round(seconds * 1e9))
    return value
