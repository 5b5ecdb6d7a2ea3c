"""Build agents, and call them.

``Agent`` is a node of reasoners and skills, ``Client`` is for services that are no agents,
``current`` tells a function about its own execution. What fails raises one class per reason;
``AgentFieldError`` is the root of them all.
"""

from __future__ import annotations

__all__ = [
    "Agent",
    "AgentFieldError",
    "AgentLost",
    "AttemptSuperseded",
    "CallTooDeep",
    "Calls",
    "Client",
    "Connection",
    "DeadlineExceeded",
    "Execution",
    "ExecutionCancelled",
    "ExecutionContext",
    "ExecutionFailed",
    "ExecutionHandle",
    "ExecutionNotFound",
    "ExecutionTimedOut",
    "Function",
    "HostNotAllowed",
    "Internal",
    "InvalidArgument",
    "InvalidInput",
    "LateReport",
    "MethodNotAllowed",
    "Node",
    "NodeNotFound",
    "OriginNotAllowed",
    "ParentEnded",
    "PayloadTooLarge",
    "PermissionDenied",
    "RegistrationNotFound",
    "RequestIdReused",
    "RouteNotFound",
    "ServerDraining",
    "ServerUnreachable",
    "StoreUnavailable",
    "TargetNotFound",
    "Unauthenticated",
    "Unimplemented",
    "Worker",
    "Workflow",
    "WorkflowNotFound",
    "current",
]

from agentfield.v1.errors import (
    AgentFieldError,
    AgentLost,
    AttemptSuperseded,
    CallTooDeep,
    DeadlineExceeded,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionNotFound,
    ExecutionTimedOut,
    HostNotAllowed,
    Internal,
    InvalidArgument,
    InvalidInput,
    MethodNotAllowed,
    NodeNotFound,
    OriginNotAllowed,
    ParentEnded,
    PayloadTooLarge,
    PermissionDenied,
    RegistrationNotFound,
    RequestIdReused,
    RouteNotFound,
    ServerDraining,
    ServerUnreachable,
    StoreUnavailable,
    TargetNotFound,
    Unauthenticated,
    Unimplemented,
    WorkflowNotFound,
)
from agentfield_sdk.agent import Agent
from agentfield_sdk.calls import Calls
from agentfield_sdk.client import Client
from agentfield_sdk.connection import Connection
from agentfield_sdk.context import ExecutionContext, current
from agentfield_sdk.handle import ExecutionHandle
from agentfield_sdk.values import Execution, Function, LateReport, Node, Worker, Workflow
