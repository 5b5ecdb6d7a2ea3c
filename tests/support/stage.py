"""Sessions in a store, made to order, under a clock that a test moves."""

from __future__ import annotations

__all__ = ["DECLARED", "LIMITS", "SECOND", "TOOL", "Stage", "register", "staged"]

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from agentfield.config import Limits
from agentfield.executions.model import Execution, Kind, Status
from agentfield.executions.submission import Claims, Submission
from agentfield.identity import ANYONE
from agentfield.nodes.model import Function, Registration
from agentfield.sessions.declaration import Declaration, DeclaredLimits, ToolOption
from agentfield.sessions.model import EndReason, Event, HandlerState, Session, Tool, ended
from agentfield.sessions.ports import Begun, EndRoot, Found, PutSession, Start
from agentfield.store.database import Database
from agentfield.store.executions import SqlExecutions
from agentfield.store.nodes import SqlNodes
from agentfield.store.replicas import SqlReplicas
from agentfield.store.sessions import SqlSessions
from support.storage import Storage

SECOND = 1_000_000
LIMITS = Limits(max_payload_bytes=100, max_depth=3, execute_timeout=1.0, execute_async_timeout=1.0)
DECLARED = Declaration(
    name="support",
    provider="openai",
    transport="webrtc",
    model="m",
    voice="v",
    instructions="Speak of secrets.",
    tools=("look", "m.look", "a.b", "gone"),
    tags=("t",),
    metadata=b'{"k": 9007199254740993}',
    turn_detection={"type": "server_vad", "threshold": 0.25, "create_response": False},
    transcription=None,
    data_channel="refuse",
    limits=DeclaredLimits(idle_timeout=1.5, max_sessions=3),
    tool_options=(ToolOption(tool="look", timeout=2.5, cancel_on_interrupt=True),),
    has_handler=True,
)
TOOL = Tool(
    entry="look",
    name="look",
    target="n.look",
    description="Reads secrets.",
    input_schema=b'{"type":  "object"}',
)


@dataclass(slots=True, kw_only=True)
class Stage:
    """A store, its clock, and sessions made to order."""

    database: Database
    clock: list[int]
    found: list[Found] = field(default_factory=list)

    @property
    def store(self) -> SqlSessions:
        return SqlSessions(self.database)

    def pass_(self, seconds: float) -> None:
        self.clock[0] += round(seconds * SECOND)

    async def start(
        self,
        number: int = 1,
        *,
        name: str = "support",
        request_id: str = "",
        fingerprint: bytes = b"f",
        token: bytes = b"t",
        caller: str = "web",
        start_token: str = "",
        owner: str = "repl_1",
        handler: HandlerState = HandlerState.NONE,
    ) -> tuple[Session, bool]:
        """Start a session ``sess_<number>`` in the name of repl_1."""
        start = Start(
            node_id="n",
            name=name,
            caller_name=caller,
            start_token_id=start_token,
            request_id=request_id,
            fingerprint=fingerprint,
            token_sha256=hashlib.sha256(token).digest(),
            token_expires_at=lambda session: session.created_at + 3600 * SECOND,
            replica_id="repl_1",
        )

        def begin(found: Found) -> Begun:
            begun = self._begun(number, name, caller, found)
            session = replace(begun.session, owner=owner, handler=handler)
            return replace(begun, session=session)

        return await self.store.start(start, begin)

    def _begun(self, number: int, name: str, caller: str, found: Found) -> Begun:
        self.found.append(found)
        declaration = found.declarations[name]
        session = Session(
            session_id=f"sess_{number}",
            node_id="n",
            declaration=declaration,
            run_id=f"run_{number}",
            root_execution_id=f"exec_root_{number}",
            created_at=found.now,
            connect_by=found.now + 60 * SECOND,
            metadata=b'{"who": "a secret"}',
            instructions=declaration.instructions,
            tools=(TOOL,),
            created_by=caller,
            actor_id="ada",
        )
        root = Execution(
            execution_id=session.root_execution_id,
            run_id=session.run_id,
            session_id=session.session_id,
            node_id="n",
            function=name,
            kind=Kind.SESSION,
            status=Status.RUNNING,
            created_at=found.now,
            started_at=found.now,
            expires_at=found.now + 10 * SECOND,
            created_by=caller,
            run_owner=caller,
            input=b'{"who": "a secret"}',
        )
        events = (Event(type="session.started", data={"model": "m"}),)
        return Begun(session=session, root=root, events=events)

    async def end(self, session: Session, *, root: bool = True) -> Session:
        done = ended(session, EndReason.API_ENDED, "said a secret", now=self.clock[0])
        end_root = EndRoot(execution_id=session.root_execution_id, status=Status.SUCCEEDED)
        changes = (PutSession(session=done), *((end_root,) if root else ()))
        await self.store.commit(session.session_id, session.owner_epoch, changes)
        return done

    async def call_function(self, session: Session, execution_id: str) -> Execution:
        submission = Submission(
            rpc="ExecuteAsync",
            node_id="n",
            function="look",
            input=b'{"a": "secret"}',
            timeout=60.0,
            claims=Claims(parent_execution_id=session.root_execution_id),
            caller=ANYONE,
            execution_id=execution_id,
            run_id="run_x",
        )
        return (await SqlExecutions(self.database).add(submission, LIMITS)).execution

    async def root(self, session: Session) -> Execution:
        found = await SqlExecutions(self.database).get(session.root_execution_id)
        assert found is not None
        return found


@asynccontextmanager
async def staged(storage: Storage) -> AsyncIterator[Stage]:
    """Give a test a store with the nodes ``m`` and ``n``, for the replica ``repl_1``."""
    clock = [1_000 * SECOND]
    async with storage.open(clock=lambda: clock[0]) as database:
        stage = Stage(database=database, clock=clock)
        await SqlReplicas(database).join("repl_1", lease=1e6, alone=False)
        await register(database, DECLARED, replace(DECLARED, name="sales"))
        yield stage


async def register(database: Database, *sessions: Declaration) -> str:
    """Register the nodes; return the worker of ``n``."""
    look = Function(name="look", kind="skill", description="Looks.", input_schema=b'{"x":1}')
    nodes = SqlNodes(database)
    for node_id, functions in (("m", (look,)), ("n", (look, replace(look, name="a.b")))):
        registration = Registration(
            node_id=node_id,
            instance_id="w",
            version="",
            description="",
            functions=functions,
            sessions=sessions if node_id == "n" else (),
        )
        worker_id = await nodes.register(registration, ANYONE)
    return worker_id
