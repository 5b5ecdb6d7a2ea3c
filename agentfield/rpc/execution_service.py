"""ExecutionService: convert, call, convert."""

from __future__ import annotations

__all__ = ["ExecutionService"]

from collections.abc import AsyncIterator

from agentfield.executions.engine import Engine
from agentfield.executions.ports import Filter
from agentfield.executions.submission import (
    Submission,
    checked_input,
    checked_request_id,
    checked_timeout,
    split_target,
)
from agentfield.ids import new_id
from agentfield.rpc import convert
from agentfield.rpc.call import Context, current_call
from agentfield.rpc.pages import page_size, read_seq, token
from agentfield.v1 import execution_service_pb2 as pb
from agentfield.v1 import execution_service_pb2_grpc


class ExecutionService(execution_service_pb2_grpc.ExecutionServiceServicer):
    """The servicer of ExecutionService."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def Execute(self, request: pb.ExecuteRequest, context: Context) -> pb.ExecuteResponse:
        default = self._engine.limits.execute_timeout
        submitted = await self._engine.submit(self._submission("Execute", request, default))
        done = await self._engine.outcome(submitted.execution_id)
        response = pb.ExecuteResponse(
            execution_id=done.execution_id,
            run_id=done.run_id,
            workflow_id=done.run_id,
            target=done.target,
            status=convert.status(done.status),
            result=done.result or b"null",
            duration_ms=done.duration_ms or 0,
        )
        convert.set_time(response.finished_at, done.completed_at)
        return response

    async def ExecuteAsync(
        self, request: pb.ExecuteAsyncRequest, context: Context
    ) -> pb.ExecuteAsyncResponse:
        default = self._engine.limits.execute_async_timeout
        stored = await self._engine.submit(self._submission("ExecuteAsync", request, default))
        response = pb.ExecuteAsyncResponse(
            execution_id=stored.execution_id,
            run_id=stored.run_id,
            workflow_id=stored.run_id,
            target=stored.target,
            status=convert.status(stored.status),
            kind=convert.kind(stored.kind),
        )
        convert.set_time(response.created_at, stored.created_at)
        return response

    async def GetExecution(
        self, request: pb.GetExecutionRequest, context: Context
    ) -> pb.GetExecutionResponse:
        found = await self._engine.get(request.execution_id, current_call.get().caller)
        return pb.GetExecutionResponse(execution=convert.execution(found))

    async def BatchGetExecutions(
        self, request: pb.BatchGetExecutionsRequest, context: Context
    ) -> pb.BatchGetExecutionsResponse:
        found = await self._engine.batch(request.execution_ids, current_call.get().caller)
        known = {execution.execution_id for execution in found}
        response = pb.BatchGetExecutionsResponse(
            missing=[i for i in dict.fromkeys(request.execution_ids) if i not in known]
        )
        for execution in found:
            convert.execution(execution, response.executions[execution.execution_id])
        return response

    async def ListExecutions(
        self, request: pb.ListExecutionsRequest, context: Context
    ) -> pb.ListExecutionsResponse:
        node_id, function = split_target(request.target) if request.target else ("", "")
        if node_id and request.node_id not in {"", node_id}:
            return pb.ListExecutionsResponse()  # no execution is on two nodes
        page = await self._engine.page(
            Filter(
                run_id=request.run_id,
                session_id=request.session_id,
                node_id=request.node_id or node_id,
                function=function,
                status=convert.status_from(request.status) or "",
                parent_execution_id=request.parent_execution_id,
            ),
            current_call.get().caller,
            before_seq=read_seq(request.page_token),
            limit=page_size(request.page_size, default=100, most=1000),
        )
        response = pb.ListExecutionsResponse(next_page_token=token(page.next_seq))
        for execution in page.executions:
            convert.execution(execution, response.executions.add())
        return response

    async def CancelExecution(
        self, request: pb.CancelExecutionRequest, context: Context
    ) -> pb.CancelExecutionResponse:
        execution, count = await self._engine.cancel(
            request.execution_id, request.reason, current_call.get().caller
        )
        return pb.CancelExecutionResponse(
            execution=convert.execution(execution), cancelled_count=count
        )

    async def WatchExecution(
        self, request: pb.WatchExecutionRequest, context: Context
    ) -> AsyncIterator[pb.WatchExecutionResponse]:
        caller = current_call.get().caller
        async for execution in self._engine.watch(request.execution_id, caller):
            yield pb.WatchExecutionResponse(execution=convert.execution(execution))

    async def ReportExecution(
        self, request: pb.ReportExecutionRequest, context: Context
    ) -> pb.ReportExecutionResponse:
        caller = current_call.get().caller
        report = convert.report(request)
        after = await self._engine.report(request.execution_id, report, caller)
        return pb.ReportExecutionResponse(
            execution_id=after.execution_id, status=convert.status(after.status)
        )

    def _submission(
        self, rpc: str, request: pb.ExecuteRequest | pb.ExecuteAsyncRequest, default: float
    ) -> Submission:
        call, limits = current_call.get(), self._engine.limits
        node_id, function = split_target(request.target)
        return Submission(
            rpc=rpc,
            node_id=node_id,
            function=function,
            input=checked_input(request.input, limits),
            timeout=checked_timeout(
                convert.seconds(request.timeout), default=default, limits=limits
            ),
            claims=call.claims,
            caller=call.caller,
            request_id=checked_request_id(request.request_id),
            execution_id=new_id("exec"),
            run_id=new_id("run"),
        )
