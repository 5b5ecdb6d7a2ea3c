"""What a voice agent is tested with, and what we test with: nothing here needs a key or a network.

async with simulator(script=SCRIPT) as provider, control_plane(simulator=provider) as plane:
    async with app.serving(), calling(plane, "support.voice") as call:
        call.speak()
        await call.until("agent.heard", text="It ships today.")

It needs the extra ``testing``. ``docs/testing.md`` shows a whole test.
"""

from __future__ import annotations

__all__ = [
    "PATIENCE",
    "Call",
    "ControlPlane",
    "Fault",
    "Heard",
    "Order",
    "Reachable",
    "Reply",
    "Script",
    "ScriptedFunction",
    "ScriptedHandler",
    "ScriptedWorker",
    "SessionLog",
    "Simulator",
    "Step",
    "ToolCall",
    "VoiceCall",
    "calling",
    "connected",
    "control_plane",
    "simulator",
]

from agentfield.simulator import Call, Fault, Heard, Order, Reply, Script, Simulator
from agentfield.simulator import running as simulator
from agentfield.testing.calls import Reachable, VoiceCall, calling
from agentfield.testing.handlers import ScriptedHandler
from agentfield.testing.log import SessionLog
from agentfield.testing.plane import PATIENCE, ControlPlane, connected, control_plane
from agentfield.testing.story import Step, ToolCall
from agentfield.testing.workers import ScriptedFunction, ScriptedWorker
