"""``python -m agentfield_gateway``: the gateway alone, for a control plane elsewhere."""

from __future__ import annotations

__all__ = ["main"]

import asyncio
import os
import sys

from agentfield.process.addresses import is_loopback, split_bind
from agentfield.process.exporting import exporting
from agentfield.process.flags import ConfigError
from agentfield.process.lifetime import failed, until_signalled
from agentfield.process.logs import configure_logging
from agentfield.v1 import errors
from agentfield.v1 import server_service_pb2 as pb
from agentfield_gateway.app import serve
from agentfield_gateway.settings import Settings, read_settings
from agentfield_gateway.transport import GrpcTransport, Transport, connect

_INFO = "/agentfield.v1.ServerService/GetServerInfo"
_INFO_SECONDS = 5.0


class Refused(Exception):
    """The gateway does not start; the message says why and what to do."""

    code = 1


class Unanswered(Refused):
    """Whether the gateway may start cannot be told: the control plane does not say."""

    code = 3


async def run(settings: Settings) -> None:
    """Serve until a signal drains it."""
    async with connect(settings.grpc, settings.client_tls) as channel:
        transport = GrpcTransport(channel)
        await refuse_without_keys(transport, settings)
        async with serve(transport, settings.gateway) as address:
            await until_signalled(http=address)


async def refuse_without_keys(transport: Transport, settings: Settings) -> None:
    """Raise Refused if the gateway would let anyone in, or if that cannot be told."""
    bind = settings.gateway.http_bind
    if settings.insecure or is_loopback(split_bind(bind)[0]):
        return
    request = pb.GetServerInfoRequest()
    try:
        info = await transport.unary(_INFO, request, metadata=(), timeout=_INFO_SECONDS)
    except errors.Unauthenticated:
        return  # It asks for keys, as it should.
    except errors.AgentFieldError as error:
        raise Unanswered(
            f"Whether the control plane at {settings.grpc} asks for keys is unknown, as it does "
            f"not answer ({error.reason}). Start it first, or give --insecure if listening on "
            f"{bind} without keys is meant."
        ) from None
    if not isinstance(info, pb.GetServerInfoResponse) or info.auth_mode == pb.AUTH_MODE_NONE:
        raise Refused(
            f"The control plane at {settings.grpc} asks for no keys, so listening on {bind} would "
            "let anyone in. Give it --api-keys FILE, or this --insecure if that is meant."
        )


def main() -> int:
    """Read the settings and serve; return the exit code."""
    try:
        settings = read_settings(sys.argv[1:], os.environ)
        configure_logging(settings.log_level)
        with exporting("agentfield-gateway", os.environ):
            asyncio.run(run(settings))
    except Refused as refused:
        return failed(refused, refused.code)
    except ConfigError as error:
        return failed(error, 1)
    except OSError as error:
        return failed(error, 3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
