"""NodeService: convert, call, convert."""

from __future__ import annotations

__all__ = ["NodeService"]

from agentfield.dispatch.dispatcher import Dispatcher
from agentfield.nodes.engine import Nodes, check_may_serve
from agentfield.rpc import convert
from agentfield.rpc.call import Context, current_call
from agentfield.rpc.pages import page_size, read_name, token
from agentfield.v1 import node_service_pb2 as pb
from agentfield.v1 import node_service_pb2_grpc


class NodeService(node_service_pb2_grpc.NodeServiceServicer):
    """The servicer of NodeService."""

    def __init__(self, nodes: Nodes, dispatcher: Dispatcher, *, lease: float) -> None:
        self._nodes = nodes
        self._dispatcher = dispatcher
        self._lease = lease

    async def RegisterNode(
        self, request: pb.RegisterNodeRequest, context: Context
    ) -> pb.RegisterNodeResponse:
        worker_id, node = await self._nodes.register(
            convert.registration(request), current_call.get().caller
        )
        return pb.RegisterNodeResponse(registration_id=worker_id, node=convert.node(node))

    async def Heartbeat(
        self, request: pb.HeartbeatRequest, context: Context
    ) -> pb.HeartbeatResponse:
        caller = current_call.get().caller
        await self._nodes.touch(request.node_id, request.registration_id, caller)
        response = pb.HeartbeatResponse()
        response.lease.FromMilliseconds(int(self._lease * 1000))
        return response

    async def DeregisterNode(
        self, request: pb.DeregisterNodeRequest, context: Context
    ) -> pb.DeregisterNodeResponse:
        caller = current_call.get().caller
        check_may_serve(caller, request.node_id)
        await self._dispatcher.deregister(request.node_id, request.registration_id, caller)
        return pb.DeregisterNodeResponse()

    async def GetNode(self, request: pb.GetNodeRequest, context: Context) -> pb.GetNodeResponse:
        return pb.GetNodeResponse(node=convert.node(await self._nodes.get(request.node_id)))

    async def ListNodes(
        self, request: pb.ListNodesRequest, context: Context
    ) -> pb.ListNodesResponse:
        limit = page_size(request.page_size, default=100, most=1000)
        after = read_name(request.page_token)
        nodes = await self._nodes.page(after=after, limit=limit + 1)
        more = len(nodes) > limit
        response = pb.ListNodesResponse(
            next_page_token=token(nodes[limit - 1].node_id if more else None)
        )
        for node in nodes[:limit]:
            convert.node(node, response.nodes.add())
        return response
