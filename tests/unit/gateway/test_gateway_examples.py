"""Every example of the OpenAPI document is taken, and given, by the gateway as it is shown."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from google.protobuf.message_factory import GetMessageClass
from unit.gateway.scripted_transport import Gateway

from agentfield.contract import facts
from agentfield.v1 import errors
from agentfield_gateway.routes import Route, Rpc, contract_routes
from scripts.openapi_examples import example, filled

pytestmark = pytest.mark.unit

DOCUMENT: dict[str, Any] = json.loads(
    resources.files("agentfield_gateway").joinpath("openapi.json").read_bytes()
)
ROUTES = list(contract_routes())
by_route = pytest.mark.parametrize(
    "route", ROUTES, ids=[f"{route.verb} {route.template}" for route in ROUTES]
)


def operation_of(route: Route[Rpc]) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][route.template][route.verb.lower()]
    return found


def url_of(route: Route[Rpc]) -> str:
    """Return the path and query that the examples of the parameters make."""
    path, query = route.template, {}
    for parameter in operation_of(route)["parameters"]:
        if parameter.get("in") == "path":
            value = quote(str(parameter["example"]), safe="")
            path = path.replace(f"{{{parameter['name']}}}", value)
        elif parameter.get("in") == "query" and "example" in parameter:
            query[parameter["name"]] = parameter["example"]
    return f"{path}?{urlencode(query)}" if query else path


def bodies_of(route: Route[Rpc]) -> list[bytes]:
    """Return the examples of the body; one that is empty if there is no body."""
    content = operation_of(route).get("requestBody", {}).get("content", {"none": {"example": ""}})
    ((media_type, shown),) = content.items()
    examples = [each["value"] for each in shown.get("examples", {}).values()] or [shown["example"]]
    return [
        (json.dumps(each) if media_type == "application/json" else str(each)).encode()
        for each in examples
    ]


def answered(route: Route[Rpc]) -> tuple[str, str]:
    """Return the media type and the text of the example of a success."""
    response = operation_of(route)["responses"][str(route.leads_to.success_status)]
    ((media_type, shown),) = response["content"].items()
    example = shown["example"]
    return media_type, example if isinstance(example, str) else json.dumps(example)


@by_route
async def test_the_gateway_takes_the_request_and_gives_the_answer_that_is_shown(
    gateway: Gateway, route: Route[Rpc]
) -> None:
    rpc = route.leads_to
    response = facts.methods()[rpc.method].descriptor.output_type
    made = filled(GetMessageClass(response)(), example(response))
    gateway.plane.answers[rpc.method.rpartition("/")[2]] = made
    media_type, text = answered(route)
    for body in bodies_of(route):
        gateway.plane.messages.put_nowait(made)
        gateway.plane.messages.put_nowait(None)

        answer = await gateway.send(route.verb, url_of(route), data=body)

        assert (answer.status, answer.content_type) == (rpc.success_status, media_type)
        heard = gateway.plane.heard.pop()
        assert rpc.method.endswith(f"/{heard.rpc}")
        assert heard.request.ByteSize() or not rpc.request.DESCRIPTOR.fields
        found = await answer.text()
        if media_type == "application/json":
            assert json.loads(found) == json.loads(text)
        else:
            assert re.sub(r"\s", "", found) == re.sub(r"\s", "", text)


@by_route
async def test_the_gateway_gives_the_failures_that_are_shown(
    gateway: Gateway, route: Route[Rpc]
) -> None:
    name = route.leads_to.method.rpartition("/")[2]
    for status, response in operation_of(route)["responses"].items():
        if not status.startswith(("4", "5")):
            continue
        named = response.get("$ref", "").rpartition("/")[2]
        form = DOCUMENT["components"]["responses"][named] if named else response
        for reason, each in form["content"]["application/json"]["examples"].items():
            shown = each["value"]
            failure = errors.BY_REASON[reason](shown["message"], metadata=shown["details"])
            gateway.plane.answers[name] = failure
            gateway.plane.messages.put_nowait(failure)

            answer = await gateway.send(route.verb, url_of(route), data=bodies_of(route)[0])

            assert (answer.status, await answer.json()) == (int(status), shown)
            documented = set(form.get("headers", {}))
            assert documented <= set(answer.headers) | {"Retry-After"}
