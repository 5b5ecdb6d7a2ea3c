"""A protoc plugin that writes docs/rest.md: every route, its fields and every error."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from google.api import annotations_pb2
from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
)

from agentfield.contract.json import enum_text
from agentfield.v1 import error_reason_pb2, execution_pb2, options_pb2, server_service_pb2

HEAD = """# REST

Generated from `proto/agentfield/v1` by `make generate`. The gateway has no route table of its own:
it serves what the contract says.

Bodies and answers are JSON with the names below. Unset fields are left out; times are RFC 3339 in
UTC; durations are strings like `"90s"` or numbers of seconds. Fields marked *JSON* hold any JSON
value, passed on byte for byte. Unknown fields and unknown query parameters are errors.

- **Credential**, on a server with keys: `Authorization: Bearer <key>` or `X-API-Key: <key>`.
- **Where it belongs**: `X-Parent-Execution-ID`, `X-Run-ID` (or `X-Workflow-ID`), `X-Session-ID`,
  `X-Actor-ID`, `Traceparent`.
- **Repeating a request safely**: `Idempotency-Key` is the request's `request_id`.
- **Errors**: `{"error": "<message>", "reason": "<REASON>", "details": {…}}`, with `Retry-After`
  where waiting helps. The reasons are at the end.
- **From a browser**: the `Host` must be this machine, the bound host, or one of
  `AGENTFIELD_ALLOWED_HOSTS`; an `Origin` must be the gateway's own or one of
  `AGENTFIELD_CORS_ORIGINS`.

Besides the contract's routes there are `GET /health` (the gateway lives; also `/api/v1/health`),
`GET /readyz` (the control plane serves) and `GET /metrics` (Prometheus). They need no key.
"""

SCALARS = {
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BOOL: "boolean",
    FieldDescriptorProto.TYPE_INT32: "integer",
    FieldDescriptorProto.TYPE_INT64: "integer",
    FieldDescriptorProto.TYPE_BYTES: "*JSON*",
}
WELL_KNOWN = {
    ".google.protobuf.Timestamp": "time",
    ".google.protobuf.Duration": "duration",
}
ENUMS = {
    ".agentfield.v1.ExecutionStatus": execution_pb2.ExecutionStatus.DESCRIPTOR,
    ".agentfield.v1.FunctionKind": execution_pb2.FunctionKind.DESCRIPTOR,
    ".agentfield.v1.AuthMode": server_service_pb2.AuthMode.DESCRIPTOR,
}


class Reference:
    """The messages and comments of all files."""

    def __init__(self, files: list[FileDescriptorProto]) -> None:
        self._files = files
        self._messages: dict[str, tuple[FileDescriptorProto, int]] = {
            f".{file.package}.{message.name}": (file, position)
            for file in files
            for position, message in enumerate(file.message_type)
        }
        self._comments = {
            (file.name, tuple(location.path)): " ".join(location.leading_comments.split())
            for file in files
            for location in file.source_code_info.location
        }
        self._nested: list[str] = []

    def render(self) -> Iterator[str]:
        yield HEAD
        for file in self._files:
            for s, service in enumerate(file.service):
                for m, method in enumerate(service.method):
                    if method.options.HasExtension(annotations_pb2.http):
                        yield from self._route(file, (6, s, 2, m), method)
        yield "\n## Messages\n"
        done: set[str] = set()
        while waiting := [name for name in self._nested if name not in done]:
            name = waiting[0]
            done.add(name)
            yield f"\n### {name.rpartition('.')[2]}\n\n"
            yield from self._fields(name, skip=set())
        yield from self._errors()

    def _route(
        self, file: FileDescriptorProto, path: tuple[int, ...], method: MethodDescriptorProto
    ) -> Iterator[str]:
        http = method.options.Extensions[annotations_pb2.http]
        rest = method.options.Extensions[options_pb2.rest]
        verb = http.WhichOneof("pattern")
        template = getattr(http, verb)
        yield f"\n## {verb.upper()} {template}\n\n"
        for other in http.additional_bindings:
            yield f"Also `{getattr(other, other.WhichOneof('pattern'))}`.\n\n"
        yield self._comments[file.name, path] + "\n"
        in_path = {part[1:-1] for part in template.split("/") if part.startswith("{")}
        where = "Body" if http.body else "Query"
        fields = "".join(self._fields(method.input_type, skip=in_path))
        if fields:
            yield f"\n{where}:\n\n{fields}"
        status = rest.success_status or 200
        shape = "one `data:` line of JSON for each change" if rest.event_stream else "JSON"
        only = f"the field `{http.response_body}` alone" if http.response_body else "these fields"
        yield f"\nAnswer {status}, {shape}, {only}:\n\n"
        yield from self._fields(method.output_type, skip=set())

    def _fields(self, message: str, *, skip: set[str]) -> Iterator[str]:
        file, position = self._messages[message]
        descriptor = file.message_type[position]
        rows = [
            f"| `{field.name}` | {self._type(descriptor, field)} | "
            f"{self._comments[file.name, (4, position, 2, number)]} |\n"
            for number, field in enumerate(descriptor.field)
            if field.name not in skip
        ]
        if rows:
            yield "| field | type | meaning |\n|---|---|---|\n"
            yield from rows

    def _type(self, message: DescriptorProto, field: FieldDescriptorProto) -> str:
        name = field.type_name
        for entry in message.nested_type:
            if entry.options.map_entry and name.endswith(f".{message.name}.{entry.name}"):
                return f"object of {self._type(message, entry.field[1])}"
        if name in WELL_KNOWN:
            kind = WELL_KNOWN[name]
        elif name in ENUMS:
            enum = ENUMS[name]
            kind = ", ".join(f"`{enum_text(enum, v.number)}`" for v in enum.values if v.number)
        elif name in self._messages:
            self._nested.append(name)
            short = name.rpartition(".")[2]
            kind = f"[{short}](#{short.lower()})"
        else:
            kind = SCALARS.get(field.type, "string")
        repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
        return f"list of {kind}" if repeated else kind

    def _errors(self) -> Iterator[str]:
        yield "\n## Errors\n\n| reason | HTTP | again? | meaning |\n|---|---|---|---|\n"
        enum = error_reason_pb2.ErrorReason.DESCRIPTOR
        for number, value in enumerate(enum.values):
            facts = value.GetOptions().Extensions[error_reason_pb2.error]
            comment = self._comments["agentfield/v1/error_reason.proto", (5, 0, 2, number)]
            if value.number:
                again = "yes" if facts.retryable else ""
                reason = enum_text(enum, value.number)
                yield f"| `{reason}` | {facts.http_status} | {again} | {comment} |\n"


def main() -> None:
    request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    ours = [file for file in request.proto_file if file.name in request.file_to_generate]
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    response.file.add(name="rest.md", content="".join(Reference(ours).render()))
    sys.stdout.buffer.write(response.SerializeToString())


if __name__ == "__main__":
    main()
