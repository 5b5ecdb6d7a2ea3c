"""ServerService: what this server is."""

from __future__ import annotations

__all__ = ["ServerService"]

from agentfield.config import Config
from agentfield.contract.facts import pairs
from agentfield.rpc.call import Context
from agentfield.v1 import provider_pb2, server_service_pb2_grpc
from agentfield.v1 import server_service_pb2 as pb


class ServerService(server_service_pb2_grpc.ServerServiceServicer):
    """The servicer of ServerService."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._http_url = ""

    def announce(self, http_address: str | None) -> None:
        """Tell from now on where this process serves REST; None: it does not."""
        scheme = "https" if self._config.tls else "http"
        self._http_url = f"{scheme}://{http_address}" if http_address else ""

    async def GetServerInfo(
        self, request: pb.GetServerInfoRequest, context: Context
    ) -> pb.GetServerInfoResponse:
        config, limits = self._config, self._config.limits
        response = pb.GetServerInfoResponse(
            version=config.version,
            http_url=self._http_url,
            auth_mode=pb.AUTH_MODE_API_KEY if config.keyring else pb.AUTH_MODE_NONE,
            limits=pb.Limits(
                max_payload_bytes=limits.max_payload_bytes,
                max_depth=limits.max_depth,
                max_sessions_per_caller=config.max_sessions_per_caller,
                max_sessions_per_target=config.max_sessions_per_target,
                requests_per_second=config.rate_limit,
            ),
            pairs=[
                pb.ServedPair(
                    provider=provider_pb2.Provider.Value(f"PROVIDER_{pair.provider.upper()}"),
                    transport=provider_pb2.Transport.Value(f"TRANSPORT_{pair.transport.upper()}"),
                    served=pair.served,
                )
                for pair in pairs()
            ],
        )
        for field, seconds in (
            (response.limits.execute_timeout, limits.execute_timeout),
            (response.limits.execute_async_timeout, limits.execute_async_timeout),
            (response.limits.agent_grace, config.agent_grace),
            (response.limits.heartbeat_timeout, config.heartbeat_timeout),
        ):
            field.FromMilliseconds(int(seconds * 1000))
        return response
