"""Workflows as existing clients read them: a tree, and a list."""

from __future__ import annotations

__all__ = ["dag"]

from collections.abc import Iterable

from agentfield.v1 import execution_pb2, forms_pb2, workflow_service_pb2
from agentfield_gateway.legacy.asked import Asked
from agentfield_gateway.legacy.executions import began, function_of

_FAILED = {execution_pb2.EXECUTION_STATUS_FAILED, execution_pb2.EXECUTION_STATUS_TIMEOUT}


def dag(response: workflow_service_pb2.GetWorkflowResponse, asked: Asked) -> forms_pb2.DagForm:
    """Return a workflow as a tree of its executions and a list of them."""
    short = asked.query.get("mode", "").lower() == "lightweight"
    short = short or asked.query.get("lightweight", "").lower() in {"true", "1"}
    summary, executions = response.workflow, response.executions
    form = forms_pb2.DagForm(
        root_workflow_id=summary.run_id,
        workflow_status=_status(summary, executions),
        workflow_name=function_of(summary.target),
        session_id=summary.session_id,
        actor_id=executions[0].actor_id if executions else "",
        total_nodes=summary.total_executions,
        max_depth=summary.max_depth,
        mode="lightweight" if short else "",
        workflow=summary,
        next_page_token=response.next_page_token,
    )
    for execution in executions:
        _entry(form.timeline.add(), execution, short=short)
    if not short and executions:
        _grow(form.dag, executions)
    return form


def _status(
    summary: workflow_service_pb2.Workflow, executions: Iterable[execution_pb2.Execution]
) -> execution_pb2.ExecutionStatus.ValueType:
    if any(execution.status in _FAILED for execution in executions):
        return execution_pb2.EXECUTION_STATUS_FAILED
    return summary.status


def _entry(entry: forms_pb2.DagEntry, execution: execution_pb2.Execution, *, short: bool) -> None:
    if not short:
        entry.execution.CopyFrom(execution)
    _fill(entry, execution)


def _grow(root: forms_pb2.DagNode, executions: Iterable[execution_pb2.Execution]) -> None:
    """Fill in the tree; a parent comes before its children, and the root before everything."""
    nodes: dict[str, forms_pb2.DagNode] = {}
    roots = []
    for execution in executions:
        parent = nodes.get(execution.parent_execution_id)
        if nodes and parent is None:
            roots.append(execution)
            continue
        node = root if parent is None else parent.children.add()
        _fill(node, execution)
        node.workflow_id = execution.run_id
        nodes[execution.execution_id] = node
    for execution in roots:
        node = root.children.add()
        _fill(node, execution)
        node.workflow_id = execution.run_id


def _fill(into: forms_pb2.DagNode | forms_pb2.DagEntry, execution: execution_pb2.Execution) -> None:
    into.execution_id = execution.execution_id
    into.parent_execution_id = execution.parent_execution_id
    into.agent_node_id = execution.node_id
    into.reasoner_id = function_of(execution.target)
    into.status = execution.status
    into.started_at.CopyFrom(began(execution))
    if execution.HasField("completed_at"):
        into.completed_at.CopyFrom(execution.completed_at)
    if execution.HasField("duration_ms"):
        into.duration_ms = execution.duration_ms
    into.workflow_depth = execution.depth
