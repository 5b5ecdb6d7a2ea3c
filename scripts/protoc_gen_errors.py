"""A protoc plugin that writes one exception class per ErrorReason value.

The classes go to `agentfield/v1/errors.py`, which needs neither protobuf nor grpc, so that the
pure core, the servers, the SDK and the CLI share one set.
"""

from __future__ import annotations

import sys
import textwrap
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.compiler import plugin_pb2

ENUM = "agentfield.v1.ErrorReason"
PREFIX = "ERROR_REASON_"

HEAD = '''# Generated from proto/agentfield/v1/error_reason.proto by `make generate`. DO NOT EDIT!
"""Every way a request or an execution can fail: one class per ErrorReason.

``AgentFieldError`` is the root; catch it, or the class of one reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

DOMAIN = "agentfield.dev"
"""The domain of every ``google.rpc.ErrorInfo`` of ours."""


class AgentFieldError(Exception):
    """A failure with a reason that programs can rely on.

    ``metadata`` carries the names and ids of the failure for programs; ``retry_after`` is how many
    seconds to wait before the same request may succeed, where that is known.
    """

    reason: ClassVar[str]
    code: ClassVar[int]
    """The number of the gRPC status code."""
    http_status: ClassVar[int]
    retryable: ClassVar[bool]
    category: ClassVar[str] = ""
    """How existing clients sort it, if they have a word for it."""
    word: ClassVar[str] = ""
    """What existing clients look for in place of the message, if they do."""

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after
'''

CLASS = '''

class {name}(AgentFieldError):
    """{doc}"""

    reason = "{reason}"
    code = {code}
    http_status = {http_status}
    retryable = {retryable}
{more}'''

TAIL = """

BY_REASON: Mapping[str, type[AgentFieldError]] = {{
{rows}
}}
"""


def class_name(reason: str) -> str:
    return "".join(word.capitalize() for word in reason.split("_"))


def docstring(comment: str) -> str:
    text = " ".join(comment.split())
    first, *rest = textwrap.wrap(text, 92)
    if not rest:
        return first
    return "\n    ".join([first, *rest]) + "\n    "


def main() -> None:
    request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    pool = descriptor_pool.DescriptorPool()
    for file in request.proto_file:
        pool.Add(file)
    enum = pool.FindEnumTypeByName(ENUM)
    extension: Any = pool.FindExtensionByName("agentfield.v1.error")
    options_class = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("google.protobuf.EnumValueOptions")
    )
    source = next(f for f in request.proto_file if f.name == enum.file.name)
    index = [e.name for e in source.enum_type].index(enum.name)
    comments = {
        tuple(location.path): location.leading_comments
        for location in source.source_code_info.location
    }
    enum_value = descriptor_pb2.EnumDescriptorProto.VALUE_FIELD_NUMBER
    enum_type = descriptor_pb2.FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER
    parts, rows = [HEAD], []
    for position, value in enumerate(enum.values):
        if value.number == 0:
            continue
        reason = value.name.removeprefix(PREFIX)
        options = options_class.FromString(value.GetOptions().SerializeToString())
        facts: Any = options.Extensions[extension]
        parts.append(
            CLASS.format(
                name=class_name(reason),
                doc=docstring(comments[(enum_type, index, enum_value, position)]),
                reason=reason,
                code=facts.code,
                http_status=facts.http_status,
                retryable=facts.retryable,
                more="".join(
                    f'    {name} = "{getattr(facts, name)}"\n'
                    for name in ("category", "word")
                    if getattr(facts, name)
                ),
            )
        )
        rows.append(f'    "{reason}": {class_name(reason)},')
    parts.append(TAIL.format(rows="\n".join(rows)))
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    response.file.add(name="agentfield/v1/errors.py", content="".join(parts))
    response.file.add(
        name="agentfield/v1/__init__.py", content='"""The contract, generated from proto/."""\n'
    )
    sys.stdout.buffer.write(response.SerializeToString())


if __name__ == "__main__":
    main()
