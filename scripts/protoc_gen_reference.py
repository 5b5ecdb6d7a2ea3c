"""A protoc plugin that writes docs/rest.md: every route, its fields and every error."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from agentfield.contract.fields import ANY, enum_text, ignored
from agentfield.v1 import error_reason_pb2
from agentfield_gateway.routes import Rpc
from scripts.contract_source import (
    Comments,
    Operation,
    in_place,
    operations,
    read_comments,
    write_file,
)

HEAD = """# REST

Generated from `proto/agentfield/v1` by `make generate`. The gateway has no route table of its own:
it serves what the contract says.

Bodies and answers are JSON with the names below. Unset fields are left out; times are RFC 3339 in
UTC; durations are strings like `"90s"` or numbers of seconds. Fields marked *JSON* hold any JSON
value, passed on byte for byte. Unknown fields and unknown query parameters are errors.

- **Credential**, on a server with keys: `Authorization: Bearer <key>` or `X-API-Key: <key>`. What
  concerns one session takes `Authorization: Bearer <session token>` as well, a start a start token.
- **Where it belongs**: `X-Parent-Execution-ID`, `X-Run-ID` (or `X-Workflow-ID`), `X-Session-ID`,
  `X-Actor-ID`, `Traceparent`.
- **Repeating a request safely**: `Idempotency-Key` is the request's `request_id`.
- **Errors**: `{"error": "<message>", "message": "<message>", "reason": "<REASON>", "details": {…}}`,
  with `Retry-After` where waiting helps. Beside them, for existing clients, `error_category`,
  `retry_after` and what is in `details`; `error` is a fixed word where they look for one. The
  reasons are at the end.
- **From a browser**: the `Host` must be this machine, the bound host, or one of
  `AGENTFIELD_ALLOWED_HOSTS`; an `Origin` must be the gateway's own or one of
  `AGENTFIELD_CORS_ORIGINS` (without it: `http://localhost:3000` and `http://localhost:5173`; `none`
  allows none).

Besides the contract's routes there are `GET /health` (the gateway lives), `GET /api/v1/health` (it and
the control plane are well, or 503), `GET /readyz` and `GET /api/v1/health/ready` (the control plane
serves), `GET /api/v1/version`, `GET /metrics` (Prometheus) and `GET /openapi.json` (this page for
programs, as OpenAPI 3.1). They need no key, nor do `GET /` and `GET /console/<file>`: the page, whose
files hold no data.
"""

SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BOOL: "boolean",
    FieldDescriptor.TYPE_INT32: "integer",
    FieldDescriptor.TYPE_INT64: "integer",
    FieldDescriptor.TYPE_DOUBLE: "number",
    FieldDescriptor.TYPE_BYTES: "*JSON*",
}
WELL_KNOWN = {
    "google.protobuf.Timestamp": "time",
    "google.protobuf.Duration": "duration",
}


class Reference:
    """The page, and the messages that its routes lead to."""

    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        self._nested: list[Descriptor] = []

    def render(self) -> Iterator[str]:
        yield HEAD
        for operation in operations():
            yield from self._operation(operation)
        yield "\n## Messages\n"
        done: set[str] = set()
        while waiting := [message for message in self._nested if message.name not in done]:
            message = waiting[0]
            done.add(message.name)
            yield f"\n### {message.name}\n\n"
            yield from self._fields(message)
        yield from self._errors()

    def _operation(self, operation: Operation) -> Iterator[str]:
        method = operation.method.descriptor
        main, *others = operation.routes
        rpc = main.leads_to
        yield f"\n## {main.verb} {main.template}\n\n"
        for other in others:
            yield f"Also `{other.template}`.\n\n"
        yield self._comments.of(method.full_name) + "\n"
        if rpc.raw_media_type:
            text = method.input_type.fields_by_name[rpc.body]
            yield f"\nBody, `{rpc.raw_media_type}`, byte for byte: {self._comments.of(text.full_name)}\n"
        where = "Body" if rpc.body == "*" else "Query"
        fields = "".join(self._fields(method.input_type, skip=operation.in_path() | {rpc.body}))
        if fields and not (rpc.body_form and not rpc.body_mark):
            yield f"\n{where}:\n\n{fields}"
        if rpc.body_form:
            also = f", or, if it has `{rpc.body_mark}`," if rpc.body_mark else ""
            yield f"\nBody{also} as existing clients send it:\n\n"
            yield from self._fields(rpc.body_form)
        if rpc.form_parameters:
            yield "\nFor the shape of the answer, in the query:\n\n"
            yield from (f"- `{name}`: {about}\n" for name, about in rpc.form_parameters)
        yield from self._answer(method.output_type, rpc)

    def _answer(self, answer: Descriptor, rpc: Rpc) -> Iterator[str]:
        shape = "an event stream, one event of JSON per message" if rpc.event_stream else "JSON"
        if rpc.raw_media_type:
            text = answer.fields_by_name[rpc.response_body]
            about = self._comments.of(text.full_name)
            yield f"\nAnswer {rpc.success_status}, `{rpc.raw_media_type}`, byte for byte: {about}\n"
        elif rpc.response_body:
            answer = rpc.answer_form or answer
            # Not wrapped: the field's own message is the answer.
            field = answer.fields_by_name[rpc.response_body]
            yield f"\nAnswer {rpc.success_status}, {shape}: {self._type(field)}.\n"
        elif not answer.fields:
            yield f"\nAnswer {rpc.success_status}, {shape}: `{{}}`.\n"
        else:
            yield f"\nAnswer {rpc.success_status}, {shape}:\n\n"
            yield from self._fields(rpc.answer_form or answer)
        if rpc.whole:
            yield "\nWithout `page_size` and `page_token`: all pages at once, up to ten of them.\n"
        if rpc.headers:
            names = " and ".join(f"`{name}`" for name, _ in rpc.headers)
            yield f"\nThe answer's headers {names} repeat those fields.\n"
        if rpc.event_id:
            yield f"\nAn event's `id` is its `{rpc.event_id}`, unless that is 0.\n"
        if rpc.last_event_id:
            yield (
                f"\nThe header `Last-Event-ID` wins over `{rpc.last_event_id}`. Answer 204: there "
                "is nothing more and never will be, do not come back.\n"
            )

    def _fields(self, message: Descriptor, *, skip: frozenset[str] = frozenset()) -> Iterator[str]:
        rows = [
            f"| `{field.name}` | {self._type(field)} | {self._comments.of(field.full_name)} |\n"
            for field in in_place(message)
            if field.name not in skip
        ]
        if rows:
            yield "| field | type | meaning |\n|---|---|---|\n"
            yield from rows
        if read_over := ignored(message):
            names = ", ".join("any other" if name == ANY else f"`{name}`" for name in read_over)
            yield f"\nIgnored, as existing clients send it: {names}.\n"

    def _type(self, field: FieldDescriptor) -> str:
        message, enum = field.message_type, field.enum_type
        if message is not None and message.GetOptions().map_entry:
            return f"object of {self._type(message.fields_by_name['value'])}"
        if message is not None and message.full_name in WELL_KNOWN:
            kind = WELL_KNOWN[message.full_name]
        elif message is not None:
            self._nested.append(message)
            kind = f"[{message.name}](#{message.name.lower()})"
        elif enum is error_reason_pb2.ErrorReason.DESCRIPTOR:
            kind = "[reason](#errors)"
        elif enum is not None:
            kind = ", ".join(f"`{enum_text(enum, v.number)}`" for v in enum.values if v.number)
        else:
            kind = SCALARS[field.type]
        return f"list of {kind}" if field.is_repeated else kind

    def _errors(self) -> Iterator[str]:
        yield "\n## Errors\n\n| reason | HTTP | again? | meaning |\n|---|---|---|---|\n"
        enum = error_reason_pb2.ErrorReason.DESCRIPTOR
        for value in enum.values:
            facts = value.GetOptions().Extensions[error_reason_pb2.error]
            comment = self._comments.of(f"{enum.full_name}.{value.name}")
            if value.number:
                again = "yes" if facts.retryable else ""
                reason = enum_text(enum, value.number)
                yield f"| `{reason}` | {facts.http_status} | {again} | {comment} |\n"


def main() -> None:
    write_file("rest.md", "".join(Reference(read_comments()).render()))


if __name__ == "__main__":
    main()
