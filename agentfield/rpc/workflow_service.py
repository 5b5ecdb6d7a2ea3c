"""WorkflowService: convert, call, convert."""

from __future__ import annotations

__all__ = ["WorkflowService"]

from agentfield.executions.workflows import Workflows
from agentfield.rpc import convert
from agentfield.rpc.call import Context, current_call
from agentfield.rpc.pages import page_size, read_seq, token
from agentfield.rpc.queries import Queries
from agentfield.v1 import workflow_service_pb2 as pb
from agentfield.v1 import workflow_service_pb2_grpc


class WorkflowService(workflow_service_pb2_grpc.WorkflowServiceServicer):
    """The servicer of WorkflowService."""

    def __init__(self, workflows: Workflows, queries: Queries) -> None:
        self._workflows = workflows
        self._queries = queries

    async def ListWorkflows(
        self, request: pb.ListWorkflowsRequest, context: Context
    ) -> pb.ListWorkflowsResponse:
        summaries, next_seq = await self._workflows.page(
            request.session_id,
            current_call.get().caller,
            before_seq=read_seq(request.page_token),
            limit=page_size(request.page_size, default=20, most=100),
        )
        return pb.ListWorkflowsResponse(
            workflows=map(convert.summary, summaries), next_page_token=token(next_seq)
        )

    async def GetWorkflow(
        self, request: pb.GetWorkflowRequest, context: Context
    ) -> pb.GetWorkflowResponse:
        summary, page = await self._workflows.get(
            request.run_id,
            current_call.get().caller,
            after_seq=read_seq(request.page_token) or 0,
            limit=page_size(request.page_size, default=1000, most=1000),
        )
        response = pb.GetWorkflowResponse(
            workflow=convert.summary(summary), next_page_token=token(page.next_seq)
        )
        for execution in page.executions:
            convert.execution(execution, response.executions.add())
        return response

    async def Query(self, request: pb.QueryRequest, context: Context) -> pb.QueryResponse:
        return await self._queries.run(request, current_call.get().caller)
