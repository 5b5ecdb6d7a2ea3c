"""From an HTTP request to the contract's message and metadata."""

from __future__ import annotations

__all__ = ["Headers", "form_query", "header", "message_of", "metadata_of"]

import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from agentfield.contract.fields import ignored
from agentfield.contract.json import load, names_of, set_text
from agentfield.process import tracing
from agentfield.v1 import errors
from agentfield_gateway.legacy import form_body
from agentfield_gateway.routes import Rpc

_PASSED_ON = (
    "authorization",
    "x-api-key",
    "x-session-id",
    "x-run-id",
    "x-workflow-id",
    "x-execution-id",
    "x-parent-execution-id",
    "x-actor-id",
    "traceparent",
)
"""The headers a control plane gets to see, as metadata of the same names."""


_CREDENTIALS = frozenset({"api_key", "start_token", "session_token", "access_token"})
"""What a credential is called by those who put it where it must not stand."""
_EVENT_ID = re.compile(r"[0-9]{1,19}")


class Headers(Protocol):
    """The headers of a request; names are case-insensitive."""

    def getall(self, key: str, default: list[str]) -> list[str]:
        """Return every value of a header."""
        ...


def header(headers: Headers, name: str) -> str:
    """Return a header, empty if there is none.

    Raises InvalidArgument for one that is given twice or is not printable ASCII.
    """
    values = headers.getall(name, [])
    if len(values) > 1:
        raise errors.InvalidArgument(f"The header '{name}' is given more than once.")
    value = values[0] if values else ""
    if not (value.isascii() and value.isprintable()):
        raise errors.InvalidArgument(f"The header '{name}' must be printable ASCII.")
    return value


def message_of(
    rpc: Rpc, *, parameters: Mapping[str, str], query: str, body: bytes, headers: Headers
) -> Message:
    """Return the rpc's request. Raises InvalidArgument that names what is wrong.

    ``query`` is the raw query string; ``body`` counts only where the rpc takes one.
    """
    form_names = dict(rpc.form_parameters)
    given = [(name, text) for name, text in _parameters_of(query) if name not in form_names]
    if rpc.body == "*" and given:
        raise errors.InvalidArgument("This route takes no query parameters.")
    message = _read(rpc, body or b"{}") if rpc.body == "*" else rpc.request()
    for name, text in given:
        if name in ignored(message.DESCRIPTOR):
            continue
        if name == rpc.body:
            raise errors.InvalidArgument(
                f"Field '{name}' comes in the body, not in the query.", metadata={"field": name}
            )
        set_text(message, name, text)
    if rpc.raw_media_type:
        setattr(message, rpc.body, _text_of(body, rpc.body))
    for name, text in parameters.items():
        _agree(message, name, text, "the path")
    if rpc.last_event_id:
        _resume(message, rpc.last_event_id, header(headers, "last-event-id"))
    request_id = header(headers, "idempotency-key")
    if request_id and "request_id" in message.DESCRIPTOR.fields_by_name:
        _agree(message, "request_id", request_id, "the header Idempotency-Key")
    return message


def form_query(rpc: Rpc, query: str) -> dict[str, str]:
    """Return the query parameters that the answer's form depends on."""
    names = dict(rpc.form_parameters)
    return {name: text for name, text in _parameters_of(query) if name in names}


def metadata_of(headers: Headers) -> list[tuple[str, str]]:
    """Return what of the headers a control plane gets to see.

    The span of the request, if there is one, stands between the caller's and what follows. Raises
    InvalidArgument for a value that metadata cannot carry.
    """
    found = {name: header(headers, name) for name in _PASSED_ON}
    found["traceparent"] = tracing.here() or found["traceparent"]
    return [(name, value) for name, value in found.items() if value]


def _read(rpc: Rpc, body: bytes) -> Message:
    """Read a body of JSON: the request's own, or the form that stands in its place."""
    if rpc.body_form and (not rpc.body_mark or rpc.body_mark in names_of(body)):
        return form_body(load(GetMessageClass(rpc.body_form)(), body))
    return load(rpc.request(), body)


def _parameters_of(query: str) -> list[tuple[str, str]]:
    try:
        found = parse_qsl(query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise errors.InvalidArgument("The query is not percent-encoded UTF-8.") from None
    for name, _ in found:
        if name in _CREDENTIALS:
            raise errors.InvalidArgument(
                "A key or token never comes in the query, where logs and histories keep it: send it "
                "as 'Authorization: Bearer <key or token>', or a key as 'X-API-Key: <key>'.",
                metadata={"field": name},
            )
    return found


def _text_of(body: bytes, name: str) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise errors.InvalidArgument(
            f"The body must be UTF-8, and is not at byte {error.start}.", metadata={"field": name}
        ) from None


def _resume(message: Message, name: str, last: str) -> None:
    """Go on after the last event that the reader saw; the query only says where it began."""
    if not last:
        return
    if not _EVENT_ID.fullmatch(last):
        raise errors.InvalidArgument(
            "The header Last-Event-ID must be the id of an event: a number.",
            metadata={"field": name},
        )
    set_text(message, name, last)


def _agree(message: Message, name: str, text: str, where: str) -> None:
    """Set a field to what ``where`` says, unless the message already says something else."""
    said = type(message)()
    set_text(said, name, text)
    current: Any = getattr(message, name)
    if current and current != getattr(said, name):
        raise errors.InvalidArgument(
            f"Field '{name}' differs from what {where} says.", metadata={"field": name}
        )
    message.MergeFrom(said)
