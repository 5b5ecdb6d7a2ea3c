"""A provider of realtime voice that is not real: it speaks the protocol and follows a script.

async with running(script=Script(heard=["Where is my order?"], replies=["It ships today."])) as simulator:
    client = AsyncOpenAI(base_url=simulator.base_url, api_key="any")
"""

from __future__ import annotations

__all__ = [
    "Call",
    "Entry",
    "Fault",
    "Heard",
    "Journal",
    "Order",
    "Reply",
    "Script",
    "Simulator",
    "running",
]

from agentfield.simulator.journal import Entry, Journal
from agentfield.simulator.script import Call, Fault, Heard, Order, Reply, Script
from agentfield.simulator.simulator import Simulator, running
