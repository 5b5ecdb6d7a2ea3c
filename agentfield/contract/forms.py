"""Forms: messages whose JSON REST takes or sends in place of an rpc's own."""

from __future__ import annotations

__all__ = ["find"]

from google.protobuf.descriptor import Descriptor

from agentfield.v1 import forms_pb2


def find(name: str) -> Descriptor | None:
    """Return the form of a name; None for the empty name. Raises KeyError for an unknown one."""
    return forms_pb2.DESCRIPTOR.message_types_by_name[name] if name else None
