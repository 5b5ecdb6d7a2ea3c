"""What happens around every rpc: errors, observation, authentication, context.

They are grpc-interceptor's, so the same ones run around calls that come from this very process.
"""

from __future__ import annotations

__all__ = ["Authenticate", "Context", "Errors", "Observe", "Trace", "interceptors"]

import logging
import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from inspect import isasyncgenfunction
from typing import Any

import grpc
from grpc_interceptor.server import AsyncServerInterceptor
from opentelemetry.trace import SpanKind

from agentfield.contract.facts import BEGINS_WORK, TOKENS, methods
from agentfield.contract.status import DETAILS_KEY, status_of
from agentfield.identity import ANYONE, NOBODY, Caller, Keyring
from agentfield.process import tracing
from agentfield.process.groups import sole_error
from agentfield.process.logs import about
from agentfield.rpc.call import Call, claims_of, current_call, metadata_of, secret_of
from agentfield.rpc.call import Context as CallContext
from agentfield.telemetry import RPC_SECONDS, RPCS
from agentfield.v1 import errors

log = logging.getLogger("agentfield.rpc")
_CODES = {code.value[0]: code for code in grpc.StatusCode}
Handler = Callable[[Any, CallContext], Any]
Tokens = Mapping[str, Callable[[str], Awaitable[Caller | None]]]
"""By what tokens of a kind begin with: finds out who shows one; None: nobody any more."""
_OPEN = "/grpc.health.v1.Health/"


class Around(AsyncServerInterceptor):
    """Runs something around a whole rpc, whether its answer is one message or a stream."""

    @abstractmethod
    def around(self, context: CallContext, method: str) -> AbstractAsyncContextManager[None]:
        """Return what the rpc runs in."""

    async def intercept(
        self,
        method: Handler,
        request_or_iterator: Any,
        context: CallContext,
        method_name: str,
    ) -> Any:
        if isasyncgenfunction(method):
            return self._stream(method, request_or_iterator, context, method_name)
        async with self.around(context, method_name):
            return await method(request_or_iterator, context)

    async def _stream(
        self, method: Handler, request_or_iterator: Any, context: CallContext, name: str
    ) -> AsyncGenerator[Any, None]:
        async with (
            self.around(context, name),
            aclosing(method(request_or_iterator, context)) as messages,
        ):
            async for message in messages:
                yield message


class Errors(Around):
    """Puts errors on the wire as google.rpc.Status. Nothing else in this room catches them."""

    @asynccontextmanager
    async def around(self, context: CallContext, method: str) -> AsyncIterator[None]:
        try:
            yield
        except errors.AgentFieldError as error:
            await _abort(context, error)
        except (grpc.aio.AbortError, grpc.RpcError):
            raise
        except Exception as error:
            known = sole_error(error)
            if not isinstance(known, errors.AgentFieldError):
                log.exception("rpc failed unexpectedly", extra={"method": method})
                known = errors.Internal(
                    "Something went wrong inside the control plane; its log has more."
                )
            await _abort(context, known)


async def _abort(context: CallContext, error: errors.AgentFieldError) -> None:
    status = status_of(error)
    await context.abort(
        _CODES[error.code],
        status.message,
        trailing_metadata=((DETAILS_KEY, status.SerializeToString()),),
    )


class Trace(Around):
    """Makes a span of every unary rpc that belongs to a trace, or begins work and with it a trace.

    A stream has none: it would be known when it ends, and that may be in days.
    """

    @asynccontextmanager
    async def around(self, context: CallContext, method: str) -> AsyncIterator[None]:
        fact = methods().get(method)
        metadata = metadata_of(context) if tracing.is_on() else {}
        above = metadata.get("traceparent", "")
        # What is called within an execution is in that one's trace, also if it is not said.
        begins = method in BEGINS_WORK and "x-parent-execution-id" not in metadata
        if not tracing.is_on() or fact is None or fact.streams or not (above or begins):
            yield
            return
        service, _, name = method[1:].partition("/")
        about = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
        with tracing.span(method[1:], about, parent=above, kind=SpanKind.SERVER):
            yield


class Observe(Around):
    """Counts and times every rpc, and logs the ones that fail."""

    @asynccontextmanager
    async def around(self, context: CallContext, method: str) -> AsyncIterator[None]:
        started = time.monotonic()
        reason = "CANCELLED"
        try:
            yield
            reason = "OK"
        except errors.AgentFieldError as error:
            reason = error.reason
            raise
        except Exception as error:
            known = sole_error(error)
            reason = known.reason if isinstance(known, errors.AgentFieldError) else "INTERNAL"
            raise
        finally:
            seconds = time.monotonic() - started
            RPCS.labels(method, reason).inc()
            RPC_SECONDS.labels(method).observe(seconds)
            level = logging.DEBUG if reason == "OK" else logging.INFO
            if log.isEnabledFor(level):
                facts = {"method": method, "reason": reason, "ms": round(seconds * 1000, 1)}
                log.log(level, "rpc finished", extra=facts | _whose(current_call.get(None)))


def _whose(call: Call | None) -> dict[str, str]:
    """Return what a log says of who has called."""
    if call is None:
        return {"key": "", "from_execution": ""}
    facts = {"key": call.caller.name, "from_execution": call.claims.execution_id}
    session_id = call.caller.session_id or call.claims.session_id
    return facts | ({"session_id": session_id} if session_id else {})


class Authenticate(Around):
    """Finds out who calls, and whether they may call this rpc."""

    def __init__(self, keyring: Keyring | None, tokens: Tokens) -> None:
        self._keyring = keyring
        self._tokens = tokens

    @asynccontextmanager
    async def around(self, context: CallContext, method: str) -> AsyncIterator[None]:
        # Calls within this process may share a context: nothing of the one before counts here.
        current_call.set(Call(caller=NOBODY))
        if method.startswith(_OPEN):
            current_call.set(Call(caller=ANYONE))
        else:
            await self._admit(context, method)
        yield

    async def _admit(self, context: CallContext, method: str) -> None:
        metadata = metadata_of(context)
        # A server without keys takes what looks like a key for nothing; a token is a limit.
        secret = secret_of(metadata) if self._keyring or self._shows_token(metadata) else ""
        holder = next((h for begin, h in self._tokens.items() if secret.startswith(begin)), None)
        if holder is not None:
            caller = await holder(secret)
        elif self._keyring is None:
            caller = ANYONE
        elif not secret:
            raise errors.Unauthenticated(
                "This server needs a key: send 'authorization: Bearer <key>' or 'x-api-key: <key>'."
            )
        else:
            caller = self._keyring.find(secret)
        if caller is None:
            raise errors.Unauthenticated("This key is not known here.")
        current_call.set(Call(caller=caller))
        fact = methods().get(method)
        roles = fact.roles if fact is not None else frozenset[str]()
        if not caller.may_call(roles):
            raise _denied(caller, method.rpartition("/")[2], roles)

    def _shows_token(self, metadata: Mapping[str, str]) -> bool:
        shown = (metadata.get("authorization", ""), metadata.get("x-api-key", ""))
        return any(begin in each for each in shown for begin in self._tokens)


def _denied(caller: Caller, name: str, roles: frozenset[str]) -> errors.PermissionDenied:
    if caller.start is not None:
        return errors.PermissionDenied(
            f"A start token may not call {name}; it starts {caller.start.target}, and what comes "
            "then takes the session_token of that start.",
            metadata={"method": name, "target": caller.start.target},
        )
    if caller.is_session:
        return errors.PermissionDenied(
            f"A session's token may not call {name}; it stands for session {caller.session_id} "
            "alone.",
            metadata={"method": name, "session_id": caller.session_id},
        )
    takes = ", ".join(sorted((roles | {"admin"}) - TOKENS))
    return errors.PermissionDenied(
        f"Key '{caller.name}' may not call {name}; it takes one of the roles {takes}.",
        metadata={"method": name},
    )


class Context(Around):
    """Reads where the call says it belongs."""

    @asynccontextmanager
    async def around(self, context: CallContext, method: str) -> AsyncIterator[None]:
        call = current_call.get()
        claims = claims_of(metadata_of(context))
        here = tracing.here() or claims.traceparent
        current_call.set(replace(call, claims=replace(claims, traceparent=here)))
        with about(session_id=claims.session_id, execution_id=claims.parent_execution_id):
            yield


def interceptors(keyring: Keyring | None, tokens: Tokens, *admitted: Around) -> list[Around]:
    """Return the chain, the outermost first; ``admitted`` are for calls whose caller is known."""
    return [Errors(), Trace(), Observe(), Authenticate(keyring, tokens), *admitted, Context()]
