"""The failures of routes as OpenAPI responses."""

from __future__ import annotations

__all__ = ["Failures", "Reason"]

import json
from collections.abc import Iterable
from http import HTTPStatus

from google.protobuf.descriptor import Descriptor

from agentfield.contract.json import dump
from agentfield.v1 import errors
from agentfield.v1.error_reason_pb2 import ErrorReason
from agentfield_gateway.legacy import form_failure
from scripts.contract_source import Comments
from scripts.openapi_schemas import Json, Schemas, reference

Reason = type[errors.AgentFieldError]


class Failures:
    """The component responses, each made when something first refers to it."""

    def __init__(self, comments: Comments, schemas: Schemas) -> None:
        self._comments = comments
        self._schemas = schemas
        self.made: dict[str, Json] = {}

    def by_status(self, reasons: Iterable[Reason], form: Descriptor | None = None) -> Json:
        """Return the responses of reasons, by status, in a form of their own if there is one."""
        by_status: dict[str, list[Reason]] = {}
        wanted = set(reasons)
        for reason in errors.BY_REASON.values():
            if reason in wanted:
                by_status.setdefault(str(reason.http_status), []).append(reason)
        found = {status: self._failure(by_status[status]) for status in sorted(by_status)}
        return self._told_by(form, found) if form else found

    def _told_by(self, form: Descriptor, responses: Json) -> Json:
        schema = self._schemas.message(form, sent=False)
        # The guards answer before the route is known, in the one form of errors.
        either = {"anyOf": [schema, reference("schemas", "Error")]}
        found: dict[str, Json] = {}
        for status, named in responses.items():
            made = self.made[named["$ref"].rpartition("/")[2]]
            examples = {
                name: {"value": json.loads(dump(form_failure(form, _error_of(name, shown))))}
                for name, shown in made["content"]["application/json"]["examples"].items()
            }
            content = {"application/json": {"schema": either, "examples": examples}}
            found[status] = {**made, "content": content}
        return found

    def _failure(self, reasons: list[Reason]) -> Json:
        name = "_".join(reason.__name__ for reason in reasons)
        if name not in self.made:
            self.made[name] = self._made(reasons)
        return reference("responses", name)

    def _made(self, reasons: list[Reason]) -> Json:
        meanings = {
            reason.reason: self._comments.of(
                f"{ErrorReason.DESCRIPTOR.full_name}.ERROR_REASON_{reason.reason}"
            )
            for reason in reasons
        }
        headers = {
            header: reference("headers", header)
            for header, sent in {
                "Retry-After": any(reason.retryable for reason in reasons),
                "WWW-Authenticate": any(
                    reason.http_status == HTTPStatus.UNAUTHORIZED for reason in reasons
                ),
            }.items()
            if sent
        }
        return {
            "description": "\n".join(f"- `{name}`: {text}" for name, text in meanings.items()),
            **({"headers": headers} if headers else {}),
            "content": {
                "application/json": {
                    "schema": reference("schemas", "Error"),
                    "examples": {
                        name: {"value": _error_example(errors.BY_REASON[name], text)}
                        for name, text in meanings.items()
                    },
                }
            },
        }


def _error_of(name: str, shown: Json) -> errors.AgentFieldError:
    return errors.BY_REASON[name](shown["value"]["message"])


def _error_example(reason: Reason, text: str) -> Json:
    return {
        "error": reason.word or text,
        "message": text,
        "reason": reason.reason,
        "details": {},
        **({"error_category": reason.category} if reason.category else {}),
    }
