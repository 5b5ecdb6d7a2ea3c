"""How the bodies of existing clients become the contract's messages, and its answers theirs.

The contract says which rpcs have a form (``body_form``, ``answer_form`` of the option ``rest``);
here is one pure function for each. A form of a body becomes the rpc's request; a response becomes
the form of its answer.
"""

from __future__ import annotations

__all__ = ["ANSWERS", "BODIES", "FAILURES", "Asked", "form_answer", "form_body", "form_failure"]

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from agentfield.v1.errors import AgentFieldError
from agentfield_gateway.legacy import executions, nodes, queries, reports, sessions, workflows
from agentfield_gateway.legacy.asked import Asked

BODIES: Mapping[str, Callable[[Any], Message]] = {
    "EventForm": reports.event,
    "HeartbeatForm": nodes.heartbeat,
    "LeavingForm": nodes.leaving,
    "RegistrationForm": nodes.registration,
    "ReportForm": reports.report,
}
"""By the form's name: from the form to the rpc's request."""

ANSWERS: Mapping[str, Callable[[Any, Asked], Message]] = {
    "AcceptedForm": executions.accepted,
    "AliveForm": nodes.alive,
    "CancelForm": executions.cancelled,
    "DagForm": workflows.dag,
    "ExecutionForm": executions.execution,
    "ExecutionsForm": executions.batch,
    "LeftForm": nodes.left,
    "NodeForm": nodes.node,
    "NodesForm": nodes.nodes,
    "NotedForm": reports.noted,
    "QueryForm": queries.answer,
    "RegisteredForm": nodes.registered,
    "StartedForm": sessions.started,
}
"""By the form's name: from the rpc's response, and what was asked, to the form."""


FAILURES: Mapping[str, Callable[[AgentFieldError], Message]] = {
    "QueryFailureForm": queries.failure,
}
"""By the form's name: from an error to the form of the answer that tells it."""


def form_body(form: Message) -> Message:
    """Return the request that a body in this form stands for.

    Raises InvalidArgument for a form that says something it cannot mean.
    """
    return BODIES[form.DESCRIPTOR.name](form)


def form_answer(form: Descriptor, response: Message, asked: Asked) -> Message:
    """Return a response in the form of its answer."""
    return ANSWERS[form.name](response, asked)


def form_failure(form: Descriptor, error: AgentFieldError) -> Message:
    """Return an error in the form of the answer that tells it."""
    return FAILURES[form.name](error)
