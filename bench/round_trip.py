"""A call from one process to an agent in another, through the control plane in a third."""

from __future__ import annotations

__all__ = ["measure"]

from functools import partial

from agentfield import Client
from bench.calls import execute, subject
from bench.measure import interleaved, table
from bench.servers import connected, control_plane, echo_agent, empty_server

TITLE = "round_trip: from the SDK's client to a function of the SDK's agent and back"


async def measure() -> str:
    """Return the table."""
    async with (
        control_plane() as plane,
        empty_server() as empty,
        echo_agent(plane.grpc),
        connected(empty.grpc) as yardstick,
        Client(plane.grpc) as client,
    ):
        call = partial(client.call, "agent.echo", text="The quick brown fox.")
        subjects = [
            each
            for concurrency in (1, 64)
            for each in (
                subject("empty handler", execute(yardstick, "agent.echo"), concurrency),
                subject("client.call", call, concurrency, yardstick="empty handler"),
            )
        ]
        return table(TITLE, subjects, await interleaved(subjects, rounds=5))
