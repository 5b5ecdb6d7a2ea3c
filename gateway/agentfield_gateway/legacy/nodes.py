"""Nodes as existing agents register them, and as existing clients read them."""

from __future__ import annotations

__all__ = ["alive", "heartbeat", "leaving", "left", "node", "nodes", "registered", "registration"]

from collections.abc import Iterable, Iterator

from agentfield.contract.fields import enum_text
from agentfield.contract.json import load
from agentfield.v1 import errors, execution_pb2, forms_pb2, node_service_pb2, session_pb2
from agentfield_gateway.legacy.asked import Asked
from agentfield_gateway.legacy.words import worker_status

ONLY_INSTANCE = "default"
"""The process of an agent that names none."""
MAX_CANDIDATES = 20
_AUTOMATIC = ":auto"
_NOTHING = (b"", b"null")
_HEALTH = node_service_pb2.NodeHealth.DESCRIPTOR
_STATUS = node_service_pb2.WorkerStatus.DESCRIPTOR


# --- registration ---


def registration(form: forms_pb2.RegistrationForm) -> node_service_pb2.RegisterNodeRequest:
    """Return what an existing agent declares."""
    if not form.base_url:
        raise errors.InvalidArgument(
            "Validation failed: base_url is missing; an agent that is called over HTTP needs one.",
            metadata={"field": "base_url"},
        )
    custom, discovery = form.metadata.custom, form.callback_discovery
    # Addresses that the agent found by itself stand for one another; one that was given does not.
    others = discovery.callback_candidates if discovery.mode.endswith(_AUTOMATIC) else ()
    return node_service_pb2.RegisterNodeRequest(
        node_id=form.id,
        instance_id=form.instance_id or ONLY_INSTANCE,
        version=form.version,
        description=_text(custom.description),
        functions=[
            *_functions(form.reasoners, execution_pb2.FUNCTION_KIND_REASONER),
            *_functions(form.skills, execution_pb2.FUNCTION_KIND_SKILL),
        ],
        sessions=[_session(one) for one in form.sessions or custom.sessions],
        base_url=form.base_url,
        other_urls=[url for url in others if url != form.base_url][:MAX_CANDIDATES],
        status=worker_status(form.lifecycle_status),
    )


def _functions(
    forms: Iterable[forms_pb2.FunctionEntry], kind: execution_pb2.FunctionKind.ValueType
) -> Iterator[node_service_pb2.Function]:
    for form in forms:
        yield node_service_pb2.Function(
            name=form.id,
            kind=kind,
            description=form.description,
            input_schema=_given(form.input_schema),
            output_schema=_given(form.output_schema),
            tags=form.tags,
        )


def _session(form: forms_pb2.SessionEntry) -> session_pb2.SessionDeclaration:
    declaration = session_pb2.SessionDeclaration(
        name=form.name,
        provider=form.provider,
        transport=form.transport,
        model=form.model,
        voice=form.voice,
        modalities=form.modalities,
        tools=form.tools,
        tags=form.tags,
        metadata=_given(form.metadata),
    )
    if given := _given(form.turn_detection):
        load(declaration.turn_detection, given)
    return declaration


def _given(json: bytes) -> bytes:
    return b"" if json in _NOTHING else json


def _text(json: bytes) -> str:
    """Return a description, if it is one: authors write anything there."""
    if not json.startswith(b'"'):
        return ""
    return load(forms_pb2.FunctionEntry(), b'{"description":%b}' % json).description


def registered(
    response: node_service_pb2.RegisterNodeResponse, asked: Asked
) -> forms_pb2.RegisteredForm:
    """Return that an agent has registered, and where it is called."""
    request: node_service_pb2.RegisterNodeRequest = asked.request
    form = forms_pb2.RegisteredForm(
        registered=response,
        success=True,
        message="Node registered successfully",
        node_id=response.node.node_id,
        resolved_base_url=response.base_url,
    )
    if response.base_url:
        form.callback_discovery.preferred = request.base_url
        form.callback_discovery.resolved = response.base_url
        form.callback_discovery.callback_candidates.extend([request.base_url, *request.other_urls])
    return form


# --- life ---


def heartbeat(form: forms_pb2.HeartbeatForm) -> node_service_pb2.HeartbeatRequest:
    """Return a sign of life. Raises InvalidArgument for a phase or a score that is none."""
    phase = form.phase or form.lifecycle_status
    status = worker_status(phase or form.status)
    if phase and not status:
        raise errors.InvalidArgument(
            f"unsupported phase: {phase[:100]}", metadata={"field": "phase"}
        )
    if not 0 <= form.health_score <= 100:
        raise errors.InvalidArgument(
            "health_score must be between 0 and 100", metadata={"field": "health_score"}
        )
    return node_service_pb2.HeartbeatRequest(
        registration_id=form.registration_id, instance_id=form.instance_id, status=status
    )


def alive(response: node_service_pb2.HeartbeatResponse, _: Asked) -> forms_pb2.AliveForm:
    """Return that a sign of life was heard."""
    form = forms_pb2.AliveForm(
        alive=response,
        success=True,
        message="heartbeat received",
        timestamp=response.received_at,
        lease_seconds=response.lease.seconds,
    )
    form.next_lease_renewal.FromSeconds(response.received_at.seconds + response.lease.seconds // 2)
    return form


def leaving(form: forms_pb2.LeavingForm) -> node_service_pb2.DeregisterNodeRequest:
    """Return who leaves, and when."""
    request = node_service_pb2.DeregisterNodeRequest(registration_id=form.registration_id)
    if form.HasField("timeout_seconds"):
        request.drain.FromNanoseconds(int(min(max(form.timeout_seconds, 0), 3600) * 1e9))
    elif form.HasField("drain"):
        request.drain.CopyFrom(form.drain)
    return request


def left(response: node_service_pb2.DeregisterNodeResponse, _: Asked) -> forms_pb2.LeftForm:
    """Return that it was heard."""
    return forms_pb2.LeftForm(
        message="shutdown acknowledged", next_lease_renewal=response.received_at
    )


# --- nodes as they are read ---


def node(response: node_service_pb2.GetNodeResponse, _: Asked) -> forms_pb2.NodeForm:
    """Return one node."""
    return _node(response.node)


def nodes(response: node_service_pb2.ListNodesResponse, _: Asked) -> forms_pb2.NodesForm:
    """Return a page of nodes."""
    return forms_pb2.NodesForm(
        nodes=[_node(one) for one in response.nodes],
        next_page_token=response.next_page_token,
        count=len(response.nodes),
    )


def _node(found: node_service_pb2.Node) -> forms_pb2.NodeForm:
    form = forms_pb2.NodeForm(
        node=found,
        id=found.node_id,
        group_id=found.node_id,
        team_id="default",
        deployment_type="long_running",
        reasoners=_named(found, execution_pb2.FUNCTION_KIND_REASONER),
        skills=_named(found, execution_pb2.FUNCTION_KIND_SKILL),
        health_status=enum_text(_HEALTH, found.health) if found.health else "",
        registered_at=found.updated_at,
    )
    if found.workers:
        newest = found.workers[-1]  # they are in the order in which they were seen
        form.base_url, form.instance_id = newest.base_url, newest.instance_id
        form.last_heartbeat.CopyFrom(newest.seen_at)
        form.lifecycle_status = enum_text(_STATUS, newest.status) if newest.status else ""
    return form


def _named(
    found: node_service_pb2.Node, kind: execution_pb2.FunctionKind.ValueType
) -> list[forms_pb2.FunctionEntry]:
    return [
        forms_pb2.FunctionEntry(
            id=one.name,
            description=one.description,
            input_schema=one.input_schema,
            output_schema=one.output_schema,
            tags=one.tags,
        )
        for one in found.functions
        if one.kind == kind
    ]
