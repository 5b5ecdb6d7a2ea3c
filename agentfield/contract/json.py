"""Messages as the JSON that REST and the CLI speak, and back.

Names are the proto field names; times are RFC 3339 in UTC; durations are seconds with an ``s``;
64-bit integers are numbers; enum values are lower-case words (``queued``), but for error reasons,
which stay as ``google.rpc.ErrorInfo`` spells them; ``json`` fields are spliced byte for byte.
What is unset, an empty string and an empty JSON field are left out, but for fields that the
contract marks with ``always``.
"""

from __future__ import annotations

__all__ = ["dump", "load", "names_of", "set_text", "to_plain"]

import json
import re
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import orjson
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from agentfield.contract.fields import (
    ANY,
    enum_names,
    enum_text,
    ignored,
    is_always,
    is_flat,
    is_json,
)
from agentfield.contract.jsonslice import MalformedJson, items, members
from agentfield.v1 import errors

M = TypeVar("M", bound=Message)
Writer = Callable[[Any], Any]

_TIMESTAMP = "google.protobuf.Timestamp"
_DURATION = "google.protobuf.Duration"
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_INTEGERS = frozenset({FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64})


def dump(message: Message, *, indent: bool = False) -> bytes:
    """Return the message as JSON."""
    return orjson.dumps(to_plain(message), option=orjson.OPT_INDENT_2 if indent else 0)


def to_plain(message: Message) -> dict[str, Any]:
    """Return the message as a dict for ``orjson.dumps``; JSON fields are ``orjson.Fragment``."""
    plain: dict[str, Any] = _object_writer(message.DESCRIPTOR)(message)
    return plain


@cache
def _object_writer(descriptor: Descriptor) -> Writer:
    fields = [(field.name, _presence(field), _field_writer(field)) for field in descriptor.fields]
    empty = {field.name: _empty(field) for field in descriptor.fields if is_always(field)}
    flat = {field.name for field in descriptor.fields if is_flat(field)}

    def write(message: Any) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, present, writer in fields:
            value = getattr(message, name)
            if name in flat:
                out |= writer(value) if present(message, value) else {}
            elif present(message, value):
                out[name] = writer(value)
            elif name in empty:
                out[name] = empty[name]
        return out

    return write


def _presence(field: FieldDescriptor) -> Callable[[Any, Any], bool]:
    if field.is_repeated:
        return lambda _message, _value: True
    if field.has_presence:
        name = field.name
        return lambda message, _value: bool(message.HasField(name))
    if field.cpp_type in {FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_ENUM}:
        return lambda _message, value: bool(value)
    return lambda _message, _value: True


def _empty(field: FieldDescriptor) -> str | None:
    return "" if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and not is_json(field) else None


def _field_writer(field: FieldDescriptor) -> Writer:
    if field.is_repeated and field.message_type and field.message_type.GetOptions().map_entry:
        of_value = _value_writer(field.message_type.fields_by_name["value"])
        return lambda value: {str(key): of_value(value[key]) for key in value}
    of_item = _value_writer(field)
    if field.is_repeated:
        return lambda value: [of_item(item) for item in value]
    return of_item


def _value_writer(field: FieldDescriptor) -> Writer:
    if field.message_type is not None:
        name = field.message_type.full_name
        if name in {_TIMESTAMP, _DURATION}:
            return lambda value: value.ToJsonString()
        nested = field.message_type
        # Compiled on first use: messages may nest themselves.
        return lambda value: _object_writer(nested)(value)  # noqa: PLW0108
    if field.enum_type is not None:
        enum = field.enum_type
        return lambda value: enum_text(enum, value)
    if is_json(field):
        return orjson.Fragment
    return lambda value: value


def load(into: M, data: bytes) -> M:
    """Read a JSON object into a message and return it.

    Raises InvalidArgument that names what is wrong: malformed JSON, an unknown field, a value of
    the wrong kind. ``null`` leaves a field unset; members that the contract lets a message ignore
    are read over.
    """
    read_over = ignored(into.DESCRIPTOR)
    for name, text in _members(data).items():
        if name in read_over or (ANY in read_over and _find(into, name) is None):
            continue
        _load_field(into, name, text)
    return into


def names_of(data: bytes) -> frozenset[str]:
    """Return the names of a JSON object's members. Raises InvalidArgument if it is none."""
    return frozenset(_members(data))


def _members(data: bytes) -> dict[str, str]:
    try:
        return members(data)
    except MalformedJson as error:
        raise errors.InvalidArgument(f"The body must be a JSON object: {error}.") from None


def _load_field(message: Message, name: str, text: str) -> None:
    field = _find(message, name)
    if field is None:
        known = ", ".join(message.DESCRIPTOR.fields_by_name)
        raise errors.InvalidArgument(
            f"Unknown field '{name}'; {message.DESCRIPTOR.name} has: {known}.",
            metadata={"field": name},
        )
    if is_json(field):
        # An explicit null is a value here; only where an object is needed is it refused, later.
        setattr(message, name, text.encode())
        return
    if text == "null":
        return
    if field.message_type is not None and not _is_scalar_message(field):
        if field.is_repeated:
            if not text.startswith("["):
                raise _wrong(field, "a list")
            for item in items(text):
                load(getattr(message, name).add(), item)
        else:
            load(getattr(message, name), text.encode())
        return
    value = _plain(field, text)
    if field.is_repeated:
        if not isinstance(value, list):
            raise _wrong(field, "a list")
        getattr(message, name).extend(_scalar(field, item) for item in value)
    else:
        _set(message, field, value)


def _plain(field: FieldDescriptor, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # an integer of thousands of digits
        raise _wrong(field, "a value of a usual size") from None


def _find(message: Message, name: str) -> FieldDescriptor | None:
    return _fields(message.DESCRIPTOR).get(name)


@cache
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    # Not fields_by_name: it fails for names that are no UTF-8.
    return {field.name: field for field in descriptor.fields}


def _message_name(field: FieldDescriptor) -> str:
    return field.message_type.full_name if field.message_type else ""


def _is_scalar_message(field: FieldDescriptor) -> bool:
    return _message_name(field) in {_TIMESTAMP, _DURATION}


def set_text(message: Message, name: str, text: str) -> None:
    """Set a field from plain text: a path segment, a query parameter, a flag.

    Raises InvalidArgument for an unknown name or a text that does not fit the field.
    """
    field = _find(message, name)
    if field is None:
        known = ", ".join(message.DESCRIPTOR.fields_by_name)
        raise errors.InvalidArgument(
            f"Unknown parameter '{name}'; known are: {known}.", metadata={"field": name}
        )
    value: Any = text
    if field.cpp_type in _INTEGERS:
        if not _INTEGER.fullmatch(text):
            raise _wrong(field, "an integer")
        value = int(text)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if text not in {"true", "false"}:
            raise _wrong(field, "true or false")
        value = text == "true"
    if field.is_repeated:
        getattr(message, name).append(_scalar(field, value))
    else:
        _set(message, field, value)


def _set(message: Message, field: FieldDescriptor, value: Any) -> None:
    if field.message_type is None:
        try:
            setattr(message, field.name, _scalar(field, value))
        except ValueError:
            raise _wrong(field, "an integer within its range") from None
        return
    try:
        if _message_name(field) == _DURATION and isinstance(value, int | float):
            getattr(message, field.name).FromNanoseconds(round(value * 1e9))
        elif isinstance(value, str):
            getattr(message, field.name).FromJsonString(value)
        else:
            raise _wrong(field, _shape(field))
    except (ValueError, OverflowError):
        raise _wrong(field, _shape(field)) from None


def _shape(field: FieldDescriptor) -> str:
    if _message_name(field) == _DURATION:
        return "a duration like '90s', or a number of seconds"
    return "a time like '2026-01-31T12:00:00Z'"


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        return _enum_number(field, field.enum_type, value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        if not isinstance(value, str) or not _is_text(value):
            raise _wrong(field, "a string")
        return value
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(value, bool):
            raise _wrong(field, "true or false")
        return value
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        # Its text may be a number that no double can be.
        fits = isinstance(value, int | float) and abs(value) <= sys.float_info.max
        if not fits or isinstance(value, bool):
            raise _wrong(field, "a number")
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(field, "an integer")
    return value


def _is_text(value: str) -> bool:
    """Return whether it is characters alone: JSON can name half a surrogate pair."""
    return value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value)


def _enum_number(field: FieldDescriptor, enum: EnumDescriptor, value: Any) -> int:
    names = enum_names(enum)
    for number, name in names.items():
        if not isinstance(value, str):
            break
        if number and value in {name, name.upper(), enum.values_by_number[number].name}:
            return number
    allowed = ", ".join(name for number, name in names.items() if number)
    raise _wrong(field, f"one of: {allowed}")


def _wrong(field: FieldDescriptor, expected: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(
        f"Field '{field.name}' must be {expected}.", metadata={"field": field.name}
    )
