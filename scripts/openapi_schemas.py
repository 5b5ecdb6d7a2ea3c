"""The messages of the contract as JSON Schemas."""

from __future__ import annotations

__all__ = ["Json", "Schemas", "reference"]

import re
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from agentfield.contract.fields import ANY, enum_text, ignored, is_always, is_json
from scripts.contract_source import Comments, always_present, in_place

Json = dict[str, Any]

SCALARS: dict[int, Json] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_INT64: {"type": "integer", "format": "int64"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
}
TIME: Json = {"type": "string", "format": "date-time"}
DURATION: Json = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"}
IGNORED: Json = {"description": "Ignored: existing clients send it.", "deprecated": True}
OBJECT = re.compile(r"\ban? (JSON )?object\b|\bJSON Schema\b")
"""How a comment says that the JSON of its field is an object."""


class Schemas:
    """The component schemas, each made when something first refers to it."""

    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        self.made: dict[str, Json] = {}

    def message(
        self, message: Descriptor, *, sent: bool, without: frozenset[str] = frozenset()
    ) -> Json:
        """Return a reference to a message; what is sent and what is answered differ."""
        name = message.name
        if sent and not name.endswith("Request"):
            name += "Input"
        if name not in self.made:
            schema = self.made[name] = {"type": "object"}  # known first: messages nest themselves
            schema["description"] = self._comments.of(message.full_name)
            schema["properties"] = {
                field.name: self.field(field, sent=sent)
                for field in in_place(message)
                if field.name not in without
            }
            if required := _needed(schema) if sent else always_present(message):
                schema["required"] = required
            if sent:
                read_over = ignored(message)
                schema["properties"] |= {n: IGNORED for n in read_over if n != ANY}
                schema["additionalProperties"] = ANY in read_over
        return reference("schemas", name)

    def field(self, field: FieldDescriptor, *, sent: bool) -> Json:
        """Return the schema of a field."""
        message = field.message_type
        if message is not None and message.GetOptions().map_entry:
            of_value = self._value(message.fields_by_name["value"], sent=sent)
            schema: Json = {"type": "object", "additionalProperties": of_value}
        else:
            schema = self._value(field, sent=sent)
            if field.is_repeated:
                schema = {"type": "array", "items": schema}
        if not sent and is_always(field) and (message is not None or is_json(field)):
            schema = {"anyOf": [schema, {"type": "null"}]}
        comment = self._comments.of(field.full_name)
        limits = _limits(comment, repeated=field.is_repeated) if sent else {}
        return {**schema, **limits, "description": comment}

    def enum(self, enum: EnumDescriptor) -> Json:
        """Return a reference to an enum."""
        if enum.name not in self.made:
            words = {
                enum_text(enum, value.number): self._comments.of(f"{enum.full_name}.{value.name}")
                for value in enum.values
                if value.number
            }
            lines = [f"- `{word}`: {comment}" for word, comment in words.items()]
            self.made[enum.name] = {
                "type": "string",
                "description": "\n".join([self._comments.of(enum.full_name), "", *lines]),
                "enum": list(words),
            }
        return reference("schemas", enum.name)

    def _value(self, field: FieldDescriptor, *, sent: bool) -> Json:
        message = field.message_type
        if message is not None and message.full_name == "google.protobuf.Timestamp":
            return TIME
        if message is not None and message.full_name == "google.protobuf.Duration":
            return {**DURATION, "type": ["string", "number"]} if sent else DURATION
        if message is not None:
            return self.message(message, sent=sent)
        if field.enum_type is not None:
            return self.enum(field.enum_type)
        if field.type == FieldDescriptor.TYPE_BYTES:
            is_object = OBJECT.search(self._comments.of(field.full_name))
            return {"type": "object", "additionalProperties": True} if is_object else {}
        return SCALARS[field.type]


def _limits(comment: str, *, repeated: bool) -> Json:
    """Return the limits of a request's field, which comments state in always the same words."""
    found: Json = {}
    if pattern := re.search(r"`(\[[^`]+)`", comment):
        found["pattern"] = f"^{pattern[1]}$"
    if re.search(r"`node\.(function|session)`(?!, or)", comment):
        found["pattern"] = r"^[^.]+\..+$"
    if length := re.search(
        r"at most (\d+) characters(?!; longer ones are cut)", comment, re.IGNORECASE
    ):
        found["maxLength"] = int(length[1])
    if repeated and (items := re.search(r"At most (\d+)", comment)):
        found["maxItems"] = int(items[1])
    if interval := re.search(r"(\d+) to (\d+)\.( 0:)?", comment):
        found |= {"minimum": 0 if interval[3] else int(interval[1]), "maximum": int(interval[2])}
    return found


def _needed(schema: Json) -> list[str]:
    """Return what a request must have: names, which are of at least one character."""
    patterns = {name: field.get("pattern", "") for name, field in schema["properties"].items()}
    return [name for name, pattern in patterns.items() if pattern.startswith("^[A-Za-z")]


def reference(kind: str, name: str) -> Json:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}
