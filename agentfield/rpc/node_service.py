"""NodeService: convert, call, convert."""

from __future__ import annotations

__all__ = ["NodeService"]

from collections.abc import Callable

from agentfield.dispatch.dispatcher import Dispatcher
from agentfield.nodes.engine import Nodes
from agentfield.rpc import convert, convert_nodes
from agentfield.rpc.call import Context, current_call
from agentfield.rpc.pages import page_size, read_name, token
from agentfield.v1 import node_service_pb2 as pb
from agentfield.v1 import node_service_pb2_grpc

DRAIN_SECONDS = 30.0
_ACTIVE = {
    pb.NODE_HEALTH_UNSPECIFIED: None,
    pb.NODE_HEALTH_ACTIVE: True,
    pb.NODE_HEALTH_INACTIVE: False,
}


class NodeService(node_service_pb2_grpc.NodeServiceServicer):
    """The servicer of NodeService."""

    def __init__(
        self,
        nodes: Nodes,
        dispatcher: Dispatcher,
        registered: Callable[[str], None],
        *,
        lease: float,
    ) -> None:
        self._nodes = nodes
        self._dispatcher = dispatcher
        self._registered = registered
        self._lease = lease

    async def RegisterNode(
        self, request: pb.RegisterNodeRequest, context: Context
    ) -> pb.RegisterNodeResponse:
        worker_id, base_url, node = await self._nodes.register(
            convert_nodes.registration(request), current_call.get().caller
        )
        if base_url:
            self._registered(node.node_id)
        return pb.RegisterNodeResponse(
            registration_id=worker_id, node=convert_nodes.node(node), base_url=base_url
        )

    async def Heartbeat(
        self, request: pb.HeartbeatRequest, context: Context
    ) -> pb.HeartbeatResponse:
        caller = current_call.get().caller
        at = await self._nodes.touch(request.node_id, convert_nodes.sign(request), caller)
        response = pb.HeartbeatResponse()
        convert.set_time(response.received_at, at)
        response.lease.FromMilliseconds(int(self._lease * 1000))
        return response

    async def DeregisterNode(
        self, request: pb.DeregisterNodeRequest, context: Context
    ) -> pb.DeregisterNodeResponse:
        caller = current_call.get().caller
        drain = convert.seconds(request.drain) if request.HasField("drain") else DRAIN_SECONDS
        node_id, worker_id = request.node_id, request.registration_id
        at = await self._nodes.retire(node_id, worker_id, caller, drain=drain)
        if at is None:
            await self._dispatcher.deregister(node_id, worker_id, caller)
        response = pb.DeregisterNodeResponse()
        convert.set_time(response.received_at, at)
        return response

    async def GetNode(self, request: pb.GetNodeRequest, context: Context) -> pb.GetNodeResponse:
        return pb.GetNodeResponse(node=convert_nodes.node(await self._nodes.get(request.node_id)))

    async def ListNodes(
        self, request: pb.ListNodesRequest, context: Context
    ) -> pb.ListNodesResponse:
        limit = page_size(request.page_size, default=100, most=1000)
        after = read_name(request.page_token)
        active = _ACTIVE.get(request.health_status)
        nodes = await self._nodes.page(after=after, limit=limit + 1, active=active)
        more = len(nodes) > limit
        response = pb.ListNodesResponse(
            next_page_token=token(nodes[limit - 1].node_id if more else None)
        )
        for node in nodes[:limit]:
            convert_nodes.node(node, response.nodes.add())
        return response
