"""The OpenAPI document says what the gateway serves and what the contract's JSON looks like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from unit.gateway.scripted_transport import Gateway, ScriptedTransport

from agentfield.contract import facts
from agentfield.contract.fields import ANY, enum_text, ignored
from agentfield.contract.json import dump, load
from agentfield.v1 import errors, execution_pb2
from agentfield_gateway.operations import Operations
from agentfield_gateway.routes import Route, Rpc, contract_routes
from scripts.contract_source import in_place

pytestmark = pytest.mark.unit

BYTES = resources.files("agentfield_gateway").joinpath("openapi.json").read_bytes()
DOCUMENT: dict[str, Any] = json.loads(BYTES)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATION_IDS = Path(__file__).with_name("operation_ids.txt")
ROUTES = list(contract_routes())
by_route = pytest.mark.parametrize(
    "route", ROUTES, ids=[f"{route.verb} {route.template}" for route in ROUTES]
)


def operation_of(route: Route[Rpc]) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][route.template][route.verb.lower()]
    return found


def success_of(route: Route[Rpc]) -> dict[str, Any]:
    found: dict[str, Any] = operation_of(route)["responses"][str(route.leads_to.success_status)]
    return found


def operations() -> Iterator[dict[str, Any]]:
    for path in DOCUMENT["paths"].values():
        yield from path.values()


def resolved(form: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in form:
        _, _, kind, name = form["$ref"].split("/")
        form = DOCUMENT["components"][kind][name]
    return form


def check(schema: dict[str, Any], value: Any) -> None:
    whole = {"components": DOCUMENT["components"], "allOf": [schema]}
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def filled(message: Descriptor, *, depth: int = 2) -> Message:
    """Return a message with something in every field, down to a depth."""
    made = GetMessageClass(message)()
    for field in message.fields:
        _fill(made, field, depth)
    return made


def _fill(made: Message, field: FieldDescriptor, depth: int) -> None:
    target: Any = getattr(made, field.name)
    nested: Any = field.message_type
    if nested is not None and nested.GetOptions().map_entry:
        of_value = nested.fields_by_name["value"].message_type
        if of_value is None:
            target["key"] = "a"
        else:
            target["key"].CopyFrom(filled(of_value, depth=depth - 1))
    elif nested is not None and nested.file.package == "google.protobuf":
        target.FromJsonString("2s" if nested.name == "Duration" else "2026-11-23T12:00:00.5Z")
    elif nested is not None:
        value = filled(nested, depth=depth - 1) if depth else GetMessageClass(nested)()
        (target.add() if field.is_repeated else target).CopyFrom(value)
    else:
        kinds = {FieldDescriptor.TYPE_STRING: "a", FieldDescriptor.TYPE_BYTES: b'{"a":1}'}
        scalar = kinds.get(field.type, 1)
        if field.is_repeated:
            target.append(scalar)
        else:
            setattr(made, field.name, scalar)


def test_it_is_valid_openapi() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


async def test_it_is_served_to_anyone_as_it_is(gateway: Gateway) -> None:
    gateway.plane.answers["GetServerInfo"] = errors.Unauthenticated("Show a key.")

    answer = await gateway.get("/openapi.json")

    assert (answer.status, answer.content_type) == (200, "application/json")
    assert await answer.read() == BYTES
    assert not gateway.plane.heard


def test_its_paths_are_the_routes_of_the_gateway_and_no_others() -> None:
    found = {(verb.upper(), path) for path, verbs in DOCUMENT["paths"].items() for verb in verbs}

    assert found == {(route.verb, route.template) for route in ROUTES} | {
        ("GET", path) for path in Operations(ScriptedTransport()).endpoints
    }


def test_its_operations_keep_their_names() -> None:
    found = {
        f"{operation['operationId']} {verb.upper()} {path}"
        for path, verbs in DOCUMENT["paths"].items()
        for verb, operation in verbs.items()
    }
    kept = set(OPERATION_IDS.read_text().splitlines())

    assert kept - found == set(), "clients that were generated call these"
    assert found - kept == set(), f"add these to {OPERATION_IDS.name}"


def test_its_operations_are_named_for_their_rpcs_each_once() -> None:
    names = [operation["operationId"] for operation in operations()]

    assert len(names) == len(set(names))
    for route in ROUTES:
        name = operation_of(route)["operationId"]
        service, rpc = route.leads_to.method.removeprefix("/agentfield.v1.").split("/")
        assert re.fullmatch(rf"{rpc}\d?", name)
        assert operation_of(route)["tags"] == [service]


def test_only_operators_need_no_key() -> None:
    keyless = [operation["tags"] for operation in operations() if operation.get("security") == []]

    assert len(keyless) == len(Operations(ScriptedTransport()).endpoints)
    assert all(tags == ["Operators"] for tags in keyless)


def test_every_reason_is_in_it_and_stands_under_its_status() -> None:
    assert set(SCHEMAS["ErrorReason"]["enum"]) == set(errors.BY_REASON)
    for operation in operations():
        for status, response in operation["responses"].items():
            content = resolved(response).get("content", {}).get("application/json", {})
            for name, shown in content.get("examples", {}).items():
                assert shown["value"]["reason"] == name
                assert errors.BY_REASON[name].http_status == int(status)
                check(content["schema"], shown["value"])


ANYWHERE = {"INVALID_ARGUMENT", "HOST_NOT_ALLOWED", "ORIGIN_NOT_ALLOWED", "INTERNAL"}
ANY_RPC = ANYWHERE | {
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "UNIMPLEMENTED",
    "STORE_UNAVAILABLE",
    "SERVER_DRAINING",
    "SERVER_UNREACHABLE",
}


def reasons_of(operation: dict[str, Any]) -> set[str]:
    """Return the reasons that an operation's responses list."""
    found: set[str] = set()
    for response in operation["responses"].values():
        content = resolved(response).get("content", {}).get("application/json", {})
        schema = content.get("schema", {})
        if {"$ref": "#/components/schemas/Error"} in (schema, *schema.get("anyOf", [])):
            found |= set(content["examples"])
    return found


@by_route
def test_an_operation_has_the_reasons_that_its_rpc_names(route: Route[Rpc]) -> None:
    operation = operation_of(route)
    _, _, said = operation["description"].partition("Fails with ")
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", said)) & set(errors.BY_REASON)
    large = {"PAYLOAD_TOO_LARGE"} if route.leads_to.body else set()

    often = {"RATE_LIMITED"} if facts.methods()[route.leads_to.method].roles != {"agent"} else set()
    assert reasons_of(operation) == ANY_RPC | often | large | named
    for reason in named:
        response = resolved(operation["responses"][str(errors.BY_REASON[reason].http_status)])
        waits = errors.BY_REASON[reason].retryable
        assert not waits or "Retry-After" in response["headers"]


def test_what_operators_ask_fails_only_as_every_route_can() -> None:
    for path in Operations(ScriptedTransport()).endpoints:
        assert reasons_of(DOCUMENT["paths"][path]["get"]) == ANYWHERE


@by_route
def test_parameters_are_the_path_s_and_the_query_s(route: Route[Rpc]) -> None:
    rpc, fields = route.leads_to, set(route.leads_to.request.DESCRIPTOR.fields_by_name)
    parameters = [resolved(parameter) for parameter in operation_of(route)["parameters"]]
    names = {
        where: {parameter["name"] for parameter in parameters if parameter["in"] == where}
        for where in ("path", "query", "header")
    }

    assert names["path"] == set(re.findall(r"\{(\w+)\}", route.template))
    own = set() if rpc.body == "*" else fields - names["path"] - {rpc.body}
    assert names["query"] == own | set(dict(rpc.form_parameters))
    assert ("Last-Event-ID" in names["header"]) == bool(rpc.last_event_id)
    assert ("Idempotency-Key" in names["header"]) == ("request_id" in fields)
    assert ("X-Parent-Execution-ID" in names["header"]) == ("request_id" in fields)


@by_route
def test_the_body_of_a_request_is_what_the_contract_reads(route: Route[Rpc]) -> None:
    rpc = route.leads_to
    in_path = set(re.findall(r"\{(\w+)\}", route.template))
    if not rpc.body:
        assert "requestBody" not in operation_of(route)
        return
    if rpc.raw_media_type:
        (raw,) = operation_of(route)["requestBody"]["content"].items()
        assert raw[0] == rpc.raw_media_type
        check(raw[1]["schema"], raw[1]["example"])
        assert raw[1]["schema"] == {"type": "string", "format": "binary"}
        return
    content = operation_of(route)["requestBody"]["content"]["application/json"]
    forms: list[Any] = [rpc.request.DESCRIPTOR] if not rpc.body_form or rpc.body_mark else []
    forms += [rpc.body_form] if rpc.body_form else []
    examples = [each["value"] for each in content.get("examples", {}).values()]
    for message, schema, example in zip(
        forms,
        content["schema"].get("anyOf", [content["schema"]]),
        examples or [content["example"]],
        strict=True,
    ):
        load(GetMessageClass(message)(), orjson.dumps(example))
        check(schema, example)
        fields = {each.name for each in in_place(message)} | {*ignored(message)}
        fields -= in_path if message == rpc.request.DESCRIPTOR else set()
        assert set(resolved(schema)["properties"]) == fields - {ANY}
        assert resolved(schema)["additionalProperties"] is (ANY in fields)


@by_route
def test_an_answer_is_what_the_contract_writes(route: Route[Rpc]) -> None:
    rpc = route.leads_to
    response = rpc.answer_form or facts.methods()[rpc.method].descriptor.output_type
    plain = json.loads(dump(filled(response)))
    if rpc.event_stream:
        content = success_of(route)["content"]["text/event-stream"]
        schema = content["schema"]["contentSchema"]["anyOf"][0]
        example = json.loads(content["example"].partition("data: ")[2])
        named = re.match(r"id: (\d+)\n", content["example"])
        assert (named and int(named[1])) == (example[rpc.event_id] if rpc.event_id else None)
    else:
        content = success_of(route)["content"][rpc.raw_media_type or "application/json"]
        schema, example = content["schema"], content["example"]

    check(schema, example)
    check(schema, plain[rpc.response_body] if rpc.response_body else plain)
    assert set(success_of(route).get("headers", {})) == {name for name, _ in rpc.headers}
    over = operation_of(route)["responses"].get("204")
    assert (over is not None and "content" not in over) == bool(rpc.last_event_id)


@by_route
def test_a_token_is_named_where_it_will_do(route: Route[Rpc]) -> None:
    operation = operation_of(route)
    will_do = facts.methods()[route.leads_to.method].roles & {"session", "start"}

    assert ("the session's own token" in operation["description"]) == ("session" in will_do)
    assert ("a start token for the target" in operation["description"]) == ("start" in will_do)
    credentials = {
        name for each in operation.get("security", DOCUMENT["security"]) for name in each
    }
    assert credentials == {"bearer", "key"} | {f"{role}Token" for role in will_do}
    assert credentials <= set(DOCUMENT["components"]["securitySchemes"])


def test_the_schema_of_a_message_has_exactly_its_fields() -> None:
    every = {
        message.name: message
        for service in facts.SERVICES
        for file in (service.file, *service.file.dependencies)
        for message in file.message_types_by_name.values()
    }
    answered = {
        name: every[name] for name in SCHEMAS if name in every and not name.endswith("Request")
    }

    assert {"Execution", "LateReport", "Workflow", "Node", "Function", "Limits"} <= set(answered)
    assert {"Session", "SessionEvent", "Turn", "ProviderCall", "TurnDetection"} <= set(answered)
    for name, message in answered.items():
        schema = SCHEMAS[name]
        assert list(schema["properties"]) == [field.name for field in message.fields]
        empty = json.loads(dump(GetMessageClass(message)()))
        assert schema.get("required", []) == list(empty)


def test_json_times_and_enums_have_their_own_schemas() -> None:
    fields = SCHEMAS["Execution"]["properties"]
    status = execution_pb2.ExecutionStatus.DESCRIPTOR

    assert set(fields["result"]) == {"description"}
    assert fields["input"]["type"] == "object"
    assert fields["created_at"]["format"] == "date-time"
    assert SCHEMAS["ExecutionStatus"]["enum"] == [
        enum_text(status, value.number) for value in status.values if value.number
    ]
    check(SCHEMAS["ExecuteRequest"]["properties"]["timeout"], "1.5s")
    check(SCHEMAS["ExecuteRequest"]["properties"]["timeout"], 1.5)
    assert SCHEMAS["TurnDetection"]["properties"]["threshold"]["type"] == "number"
    loudness = SCHEMAS["TurnDetectionInput"]["properties"]["threshold"]
    assert (loudness["minimum"], loudness["maximum"]) == (0, 1)
    tools = SCHEMAS["StartedForm"]["properties"]["tool_targets"]
    assert tools["additionalProperties"] == {"type": "string"}
    check(SCHEMAS["Limits"]["properties"]["agent_grace"], "15s")
    assert SCHEMAS["Limits"]["properties"]["agent_grace"]["type"] == "string"
