"""What the plugins that write documents read of the contract: its comments and its routes."""

from __future__ import annotations

__all__ = [
    "Comments",
    "Operation",
    "always_present",
    "in_place",
    "operations",
    "read_comments",
    "write_file",
]

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message_factory import GetMessageClass

from agentfield.contract import facts
from agentfield.contract.fields import is_flat
from agentfield.contract.json import to_plain
from agentfield_gateway.routes import Route, Rpc, contract_routes


class Comments:
    """The comment above each declaration, by its full name; an enum's values by ``enum.VALUE``."""

    def __init__(self, files: list[FileDescriptorProto]) -> None:
        self._paragraphs = dict(pair for file in files for pair in _commented(file))

    def of(self, name: str) -> str:
        """Return a comment on one line."""
        return " ".join(self.paragraphs(name))

    def paragraphs(self, name: str) -> list[str]:
        """Return a comment with each paragraph on one line."""
        return self._paragraphs[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An rpc that REST serves."""

    method: facts.Method
    routes: tuple[Route[Rpc], ...]
    """The main one first."""

    def in_path(self) -> frozenset[str]:
        """Return the request's fields that come in the path."""
        parts = [part for route in self.routes for part in route.template.split("/")]
        return frozenset(part[1:-1] for part in parts if part.startswith("{"))


def operations() -> list[Operation]:
    """Return every rpc that REST serves, in the contract's order."""
    found: dict[str, list[Route[Rpc]]] = {}
    for route in contract_routes():
        found.setdefault(route.leads_to.method, []).append(route)
    return [
        Operation(method=facts.methods()[name], routes=tuple(routes))
        for name, routes in found.items()
    ]


def always_present(message: Descriptor) -> list[str]:
    """Return the fields that the JSON of every such message has."""
    made = GetMessageClass(message)()
    for field in message.fields:
        if is_flat(field) and field.containing_oneof is None:  # and not `optional`
            getattr(made, field.name).SetInParent()
    return list(to_plain(made))


def in_place(message: Descriptor) -> list[FieldDescriptor]:
    """Return the fields as they stand in JSON: those of flat messages beside the others."""
    found: dict[str, FieldDescriptor] = {}
    for field in message.fields:
        nested = field.message_type
        inner = in_place(nested) if nested and is_flat(field) else [field]
        found |= {each.name: each for each in inner}
    return list(found.values())


def read_comments() -> Comments:
    """Read what protoc asks of a plugin."""
    request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    return Comments([file for file in request.proto_file if file.name in request.file_to_generate])


def write_file(name: str, content: str) -> None:
    """Answer protoc with one file."""
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    response.file.add(name=name, content=content)
    sys.stdout.buffer.write(response.SerializeToString())


def _commented(file: FileDescriptorProto) -> Iterator[tuple[str, list[str]]]:
    names = dict(_names(file))
    for location in file.source_code_info.location:
        if name := names.get(tuple(location.path)):
            blocks = location.leading_comments.split("\n\n")
            yield name, [" ".join(block.split()) for block in blocks]


def _names(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield where each declaration stands, as source info counts, and its full name."""
    declared = {
        4: [
            (message.name, [field.name for field in message.field]) for message in file.message_type
        ],
        5: [(enum.name, [value.name for value in enum.value]) for enum in file.enum_type],
        6: [(service.name, [method.name for method in service.method]) for service in file.service],
    }
    for kind, declarations in declared.items():
        for position, (name, members) in enumerate(declarations):
            yield (kind, position), f"{file.package}.{name}"
            for at, member in enumerate(members):
                # Fields, values and methods are each number 2 of what declares them.
                yield (kind, position, 2, at), f"{file.package}.{name}.{member}"
