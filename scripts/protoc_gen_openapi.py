"""A protoc plugin that writes openapi.json: what REST serves, as OpenAPI 3.1."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from agentfield.contract.facts import TOKENS
from agentfield.v1 import errors
from agentfield.v1.error_reason_pb2 import ErrorReason
from agentfield_gateway.routes import Route, Rpc
from scripts.contract_source import Comments, Operation, operations, read_comments, write_file
from scripts.openapi_examples import answer_example, example
from scripts.openapi_failures import Failures, Reason
from scripts.openapi_fixed import (
    COMPONENTS,
    ERROR,
    OVER,
    PREFACE,
    last_event_id,
    with_tokens,
)
from scripts.openapi_operators import OPERATORS, OPERATORS_TAG
from scripts.openapi_schemas import Json, Schemas, reference

GATEWAY: list[Reason] = [
    errors.InvalidArgument,
    errors.HostNotAllowed,
    errors.OriginNotAllowed,
    errors.Internal,
]
"""What every route can fail with."""
EVERY_RPC: list[Reason] = [
    *GATEWAY,
    errors.Unauthenticated,
    errors.PermissionDenied,
    errors.Unimplemented,
    errors.StoreUnavailable,
    errors.ServerDraining,
    errors.ServerUnreachable,
]
"""What every route of the contract can fail with, whatever its rpc names."""


class Document:
    """The document, and the components that its routes lead to."""

    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        self._schemas = Schemas(comments)
        self._schemas.enum(ErrorReason.DESCRIPTOR)
        self._schemas.made["Error"] = ERROR
        self._failures = Failures(comments, self._schemas)

    def render(self) -> Json:
        """Return the document."""
        paths: dict[str, Json] = {}
        tags: dict[str, Json] = {}
        for operation in operations():
            service = operation.method.descriptor.containing_service
            about = "\n\n".join(self._comments.paragraphs(service.full_name))
            tags[service.name] = {"name": service.name, "description": about}
            for position, route in enumerate(operation.routes):
                rpc = self._operation(
                    operation, route, suffix=str(position + 1) if position else ""
                )
                paths.setdefault(route.template, {})[route.verb.lower()] = rpc
        for path, operator in OPERATORS.items():
            responses = {**operator["responses"], **self._failures.by_status(GATEWAY)}
            own = {"tags": [OPERATORS_TAG["name"]], "security": [], "responses": responses}
            paths[path] = {"get": {**operator, **own}}
        return {
            **PREFACE,
            "tags": [*tags.values(), OPERATORS_TAG],
            "paths": paths,
            "components": {
                "schemas": self._schemas.made,
                "responses": self._failures.made,
                **COMPONENTS,
            },
        }

    def _operation(self, operation: Operation, route: Route[Rpc], *, suffix: str) -> Json:
        method = operation.method.descriptor
        form = {
            "operationId": method.name + suffix,
            "tags": [method.containing_service.name],
            **self._about(operation),
            "parameters": list(self._parameters(operation, route)),
        }
        if tokens := operation.method.roles & TOKENS:
            form["security"] = with_tokens(tokens)
        if route.leads_to.body:
            form["requestBody"] = self._request_body(operation, route.leads_to)
        success = {str(route.leads_to.success_status): self._success(operation, route)}
        if route.leads_to.last_event_id:
            success["204"] = OVER
        form_of_failure = route.leads_to.failure_form
        failed = self._failures.by_status(self._reasons(operation), form_of_failure)
        return {**form, "responses": {**success, **failed}}

    def _about(self, operation: Operation) -> Json:
        first, *rest = self._comments.paragraphs(operation.method.descriptor.full_name)
        summary = first.partition(". ")[0].rstrip(".")
        may = _who(operation.method.roles)
        return {"summary": summary, "description": "\n\n".join([first, *rest, may])}

    def _parameters(self, operation: Operation, route: Route[Rpc]) -> Iterator[Json]:
        request = operation.method.descriptor.input_type
        in_path, rpc, shown = operation.in_path(), route.leads_to, example(request)
        for field in request.fields:
            if field.name in in_path:
                found = self._parameter(field, minLength=1)
                yield {"in": "path", "required": True, **found, "example": shown[field.name]}
            elif rpc.body not in {"*", field.name}:
                found = self._parameter(field)
                sample = {"example": shown[field.name]} if shown.get(field.name) else {}
                yield {"in": "query", **found, **sample}
        for name, about in rpc.form_parameters:
            yield {"in": "query", "name": name, "description": about, "schema": {"type": "string"}}
        if rpc.last_event_id:
            yield last_event_id(rpc.last_event_id)
        if "request_id" in request.fields_by_name:
            yield from (reference("parameters", name) for name in COMPONENTS["parameters"])

    def _parameter(self, field: FieldDescriptor, **more: Any) -> Json:
        schema = self._schemas.field(field, sent=True)
        return {
            "name": field.name,
            "description": schema.pop("description"),
            "schema": {**schema, **more},
        }

    def _request_body(self, operation: Operation, rpc: Rpc) -> Json:
        request, in_path = operation.method.descriptor.input_type, operation.in_path()
        if rpc.raw_media_type:
            schema = self._schemas.field(request.fields_by_name[rpc.body], sent=True)
            about, shown = schema.pop("description"), example(request)[rpc.body]
            raw = _content(rpc.raw_media_type, {**schema, "format": "binary"}, shown)
            return {"description": about, "required": True, **raw}
        own = _content(
            "application/json",
            self._schemas.message(request, sent=True, without=in_path),
            example(request, without=in_path),
        )
        if not rpc.body_form:
            return own
        schema = self._schemas.message(rpc.body_form, sent=True)
        form = _content("application/json", schema, example(rpc.body_form))
        return _either(own, form) if rpc.body_mark else form

    def _success(self, operation: Operation, route: Route[Rpc]) -> Json:
        rpc, own = route.leads_to, operation.method.descriptor.output_type
        response: Descriptor = rpc.answer_form or own
        about, shown = self._comments.of(response.full_name), answer_example(route, own)
        if rpc.response_body:
            shown = shown[rpc.response_body]
            schema = self._schemas.field(response.fields_by_name[rpc.response_body], sent=False)
        else:
            schema = self._schemas.message(response, sent=False)
        if rpc.event_stream:
            about += " One event for each, with it as data; `event: error` carries an Error."
            event = {"type": "string", "contentMediaType": "text/event-stream"}
            either = {"anyOf": [schema, reference("schemas", "Error")]}
            text = f"data: {json.dumps(shown)}\n\n"
            if rpc.event_id:
                about += f" Its id is its {rpc.event_id}, unless that is 0."
                text = f"id: {shown[rpc.event_id]}\n{text}"
            content = _content("text/event-stream", {**event, "contentSchema": either}, text)
        elif rpc.raw_media_type:
            content = _content(rpc.raw_media_type, {**schema, "format": "binary"}, shown)
        else:
            content = _content("application/json", schema, shown)
        headers = {
            name: {
                "description": self._comments.of(f"{own.full_name}.{field_name}"),
                "schema": {"type": "string"},
            }
            for name, field_name in rpc.headers
        }
        return {"description": about, **({"headers": headers} if headers else {}), **content}

    def _reasons(self, operation: Operation) -> list[Reason]:
        """Return what an rpc fails with: what its comment names, and what every rpc does."""
        comment = self._comments.of(operation.method.descriptor.full_name)
        _, _, named = comment.partition("Fails with")
        found = [
            errors.BY_REASON[word]
            for word in re.findall(r"[A-Z_]+", named)
            if word in errors.BY_REASON
        ]
        large = [errors.PayloadTooLarge] if operation.routes[0].leads_to.body else []
        often = [errors.RateLimited] if operation.method.counted else []
        return [*EVERY_RPC, *often, *large, *found]


def _who(roles: frozenset[str]) -> str:
    keys = " or ".join(f"`{role}`" for role in sorted(roles - TOKENS))
    if not keys:
        return "Any key will do."
    known = {"session": "the session's own token", "start": "a start token for the target"}
    or_token = "".join(f", or {known[role]}" for role in sorted(roles & TOKENS))
    return f"Needs a key of the role {keys}, or `admin`{or_token}."


def _content(media_type: str, schema: Json, shown: Any) -> Json:
    return {"content": {media_type: {"schema": schema, "example": shown}}}


def _either(own: Json, form: Json) -> Json:
    """Return content that is the request's JSON, or the form that existing clients send."""
    ours, theirs = (each["content"]["application/json"] for each in (own, form))
    content = {
        "schema": {"anyOf": [ours["schema"], theirs["schema"]]},
        "examples": {
            "request": {"value": ours["example"]},
            "existing client": {"value": theirs["example"]},
        },
    }
    return {"content": {"application/json": content}}


def main() -> None:
    document = Document(read_comments()).render()
    write_file("openapi.json", json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
