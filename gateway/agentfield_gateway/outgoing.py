"""From the contract's messages and errors to HTTP answers."""

from __future__ import annotations

__all__ = ["FAILURE_FORM", "answer", "error_answer", "error_json", "message_json"]

import json
import math
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from agentfield.contract.json import dump, to_plain
from agentfield.contract.status import ERROR_DETAILS
from agentfield.v1 import errors
from agentfield_gateway.legacy import Asked, form_answer, form_failure
from agentfield_gateway.routes import Rpc

FAILURE_FORM = web.RequestKey("FAILURE_FORM", Descriptor)
"""What tells a failure of this request, if that is not the one form of errors."""


def answer(rpc: Rpc, message: Message, asked: Asked) -> web.Response:
    """Return the answer of a successful rpc."""
    found: dict[str, Any] = {name: getattr(message, field) for name, field in rpc.headers}
    if rpc.answer_form:
        message = form_answer(rpc.answer_form, message, asked)
    if rpc.raw_media_type:
        text: str = getattr(message, rpc.response_body)
        body = text.encode()
    else:
        body = message_json(rpc, message)
    return web.Response(
        status=rpc.success_status,
        body=body,
        content_type=rpc.raw_media_type or "application/json",
        headers={name: str(value) for name, value in found.items() if value},
    )


def message_json(rpc: Rpc, message: Message) -> bytes:
    """Return the part of a response that goes into the body, as JSON."""
    plain = to_plain(message)
    return orjson.dumps(plain.get(rpc.response_body, {}) if rpc.response_body else plain)


def error_answer(error: errors.AgentFieldError, form: Descriptor | None = None) -> web.Response:
    """Return the answer of what failed, in the one form of errors or in that of its route."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(_seconds(error.retry_after))
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.MethodNotAllowed):
        headers["Allow"] = error.metadata.get("allow", "")
    return web.Response(
        status=_agents_status(error) or error.http_status,
        body=dump(form_failure(form, error)) if form else error_json(error),
        content_type="application/json",
        headers=headers,
    )


def error_json(error: errors.AgentFieldError) -> bytes:
    """Return an error as JSON, the same for every answer and event."""
    # A message may quote what UTF-8 cannot carry; escaped it can.
    form = json.dumps(_error_form(error))
    # What a function said of its failure is JSON, and passes byte for byte.
    said = error.metadata.get(ERROR_DETAILS)
    return (f'{form[:-1]}, "{ERROR_DETAILS}": {said}}}' if said else form).encode()


def _error_form(error: errors.AgentFieldError) -> dict[str, Any]:
    """Return ``error``, ``reason`` and ``details``, and beside them what existing clients read."""
    details = {name: text for name, text in error.metadata.items() if name != ERROR_DETAILS}
    form: dict[str, Any] = {
        **details,
        "error": error.word or error.message,
        "message": error.message,
        "reason": error.reason,
        "details": details,
    }
    if (code := _agents_status(error)) is not None:
        form["error_status_code"] = code
    if error.category:
        form["error_category"] = error.category
    if error.retry_after is not None:
        form["retry_after"] = _seconds(error.retry_after)
    return form


def _agents_status(error: errors.AgentFieldError) -> int | None:
    """Return the status with which an agent refused what it was asked, if it did."""
    code = error.metadata.get("error_status_code", "")
    return int(code) if code.startswith("4") and code.isdecimal() and len(code) == 3 else None


def _seconds(retry_after: float) -> int:
    return max(1, math.ceil(retry_after))
