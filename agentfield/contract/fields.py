"""What the contract says of a field, a message or an enum where it becomes JSON."""

from __future__ import annotations

__all__ = ["ANY", "enum_names", "enum_text", "ignored", "is_always", "is_flat", "is_json"]

import re
from functools import cache
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from agentfield.v1 import error_reason_pb2, options_pb2

ANY = "*"
"""Among the members that a message ignores: every other."""


@cache
def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """Return the word for each value of an enum."""
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper()
    names = {v.number: v.name.removeprefix(f"{words}_") for v in enum.values}
    if enum is error_reason_pb2.ErrorReason.DESCRIPTOR:
        return names
    return {number: name.lower() for number, name in names.items()}


def enum_text(enum: EnumDescriptor, number: int) -> str:
    """Return the word for an enum value; a value this version does not know is its number."""
    return enum_names(enum).get(number, str(number))


def is_json(field: FieldDescriptor) -> bool:
    """Return whether the field's bytes are JSON."""
    return bool(field.GetOptions().Extensions[options_pb2.json])


def is_always(field: FieldDescriptor) -> bool:
    """Return whether the field is in the JSON of its message even if it is empty."""
    return bool(field.GetOptions().Extensions[options_pb2.always])


def is_flat(field: FieldDescriptor) -> bool:
    """Return whether the members of the field's message stand among those of its own."""
    return bool(field.GetOptions().Extensions[options_pb2.flat])


def ignored(descriptor: Any) -> tuple[str, ...]:
    """Return the members that the JSON of such a message may have besides its fields."""
    return tuple(descriptor.GetOptions().Extensions[options_pb2.ignored])
