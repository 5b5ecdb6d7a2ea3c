"""REST routes, and which of them a request means. The contract's are read from its descriptors."""

from __future__ import annotations

__all__ = ["Found", "Route", "Rpc", "Table", "contract_routes"]

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from agentfield.contract import facts, forms
from agentfield.v1 import errors, options_pb2
from agentfield_gateway.legacy import ANSWERS, BODIES, FAILURES

T = TypeVar("T")

_VERBS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc:
    """What a route of the contract calls, and how request and answer look over HTTP."""

    method: str
    """Its path, for instance ``/agentfield.v1.ExecutionService/Execute``."""
    request: type[Message]
    body: str
    """``*``: the body is the request. A field's name: the body is its text, as it is. Empty: there
    is none. Fields that come in neither path nor body come in the query."""
    response_body: str
    """The one field of the response, or of its form, that is the answer's body. Empty: all."""
    body_form: Descriptor | None
    """What the body may be in place of the request; ``agentfield_gateway.legacy`` knows how."""
    body_mark: str
    """The member that tells such a body from the request. Empty: the body always is one."""
    answer_form: Descriptor | None
    """What the answer is made of in place of the response."""
    failure_form: Descriptor | None
    """What tells a failure in place of the one form of errors."""
    form_parameters: tuple[tuple[str, str], ...]
    """Query parameters that only the answer's form depends on, and what they do."""
    whole: str
    """The list of the response whose pages are put together. Empty: none."""
    success_status: int
    headers: tuple[tuple[str, str], ...]
    """Names of headers, each with the response field it repeats."""
    raw_media_type: str
    """Of the body and the answer, if both are the text of one field. Empty: they are JSON."""
    event_stream: bool
    event_id: str
    """The field of an event whose number is its id. Empty: events have none."""
    last_event_id: str
    """The field of the request that Last-Event-ID fills. Empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[T]):
    """A verb, a template like ``/api/v1/nodes/{node_id}``, and what they lead to."""

    verb: str
    template: str
    leads_to: T

    def parameters(self, path: Sequence[str]) -> dict[str, str] | None:
        """Return the values of the template's names if the path's segments match it."""
        patterns = self.template.split("/")[1:]
        if len(path) != len(patterns):
            return None
        values: dict[str, str] = {}
        for pattern, segment in zip(patterns, path, strict=True):
            if pattern.startswith("{"):
                if not segment:
                    return None
                values[pattern[1:-1]] = segment
            elif pattern != segment:
                return None
        return values

    def looseness(self) -> list[bool]:
        """Order routes that match the same path: a fixed segment comes before a name."""
        return [pattern.startswith("{") for pattern in self.template.split("/")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[T]):
    """The route a request means."""

    route: Route[T]
    parameters: Mapping[str, str]


class Table(Generic[T]):
    """All routes of a gateway."""

    def __init__(self, routes: Sequence[Route[T]]) -> None:
        self._routes = sorted(routes, key=lambda route: route.looseness())

    def find(self, verb: str, raw_path: str) -> Found[T]:
        """Return the route of a request; the path is as it came, percent signs and all.

        Raises RouteNotFound; MethodNotAllowed, whose metadata names the verbs the path has; and
        InvalidArgument for a path that is not UTF-8.
        """
        matches = list(self._matches(raw_path))
        for found in matches:
            if found.route.verb == verb:
                return found
        if not matches:
            raise errors.RouteNotFound("There is no such route.")
        allowed = ", ".join(sorted({found.route.verb for found in matches}))
        raise errors.MethodNotAllowed(
            f"This route answers {allowed} only.", metadata={"allow": allowed}
        )

    def verbs(self, raw_path: str) -> list[str]:
        """Return the verbs a path has. Raises RouteNotFound if it has none."""
        verbs = sorted({found.route.verb for found in self._matches(raw_path)})
        if not verbs:
            raise errors.RouteNotFound("There is no such route.")
        return verbs

    def _matches(self, raw_path: str) -> Iterator[Found[T]]:
        path = _segments(raw_path)
        for route in self._routes:
            parameters = route.parameters(path)
            if parameters is not None:
                yield Found(route=route, parameters=parameters)


def _segments(raw_path: str) -> list[str]:
    # Split first, decode after: an encoded slash belongs to its segment.
    try:
        return [unquote_to_bytes(part).decode() for part in raw_path.split("/")[1:]]
    except UnicodeDecodeError:
        raise errors.InvalidArgument("The path is not percent-encoded UTF-8.") from None


def contract_routes() -> Iterator[Route[Rpc]]:
    """Read the routes of every rpc that has a ``google.api.http`` rule."""
    for method in facts.methods().values():
        options = method.descriptor.GetOptions()
        if not options.HasExtension(annotations_pb2.http):
            continue
        main = options.Extensions[annotations_pb2.http]
        rest = options.Extensions[options_pb2.rest]
        _check_forms(method, rest)
        for rule in (main, *main.additional_bindings):
            verb = rule.WhichOneof("pattern")
            template = getattr(rule, verb)
            if not _can_serve(method.descriptor, rule, rest):
                raise ValueError(
                    f"{method.name} has an HTTP rule that cannot be served: {template}"
                )
            yield Route(verb=verb.upper(), template=template, leads_to=_rpc(method, rule, rest))


def _rpc(method: facts.Method, rule: http_pb2.HttpRule, rest: options_pb2.Rest) -> Rpc:
    answer_form = forms.find(rest.answer_form.message)
    return Rpc(
        method=method.name,
        request=GetMessageClass(method.descriptor.input_type),
        body=rule.body,
        response_body=rest.answer_form.field if answer_form else rule.response_body,
        body_form=forms.find(rest.body_form.message),
        body_mark=rest.body_form.mark,
        answer_form=answer_form,
        failure_form=forms.find(rest.failure_form.message),
        form_parameters=tuple((each.name, each.about) for each in rest.answer_form.parameters),
        whole=rest.whole,
        success_status=rest.success_status or 200,
        headers=tuple((header.name, header.field) for header in rest.headers),
        raw_media_type=rest.raw_media_type,
        event_stream=rest.event_stream,
        event_id=rest.event_id,
        last_event_id=rest.last_event_id,
    )


def _check_forms(method: facts.Method, rest: options_pb2.Rest) -> None:
    answer, body = rest.answer_form.message, rest.body_form.message
    known = answer in {"", *ANSWERS} and body in {"", *BODIES}
    known = known and rest.failure_form.message in {"", *FAILURES}
    if not known or (answer and (rest.event_stream or rest.raw_media_type)):
        raise ValueError(f"{method.name} has a form that nobody makes or reads")


def _can_serve(method: MethodDescriptor, rule: http_pb2.HttpRule, rest: options_pb2.Rest) -> bool:
    verb = rule.WhichOneof("pattern")
    names = [part for part in getattr(rule, verb).split("/") if set(part) & set("{}*:=")]
    simple = all(name[1:-1].isidentifier() and f"{{{name[1:-1]}}}" == name for name in names)
    if rest.raw_media_type:
        body = _is_text(method.input_type, rule.body)
        body = body and _is_text(method.output_type, rule.response_body)
    else:
        body = rule.body in {"", "*"}
    return verb in _VERBS and simple and body


def _is_text(message: Descriptor, name: str) -> bool:
    field = message.fields_by_name.get(name)
    return field is not None and field.type == field.TYPE_STRING and not field.is_repeated
