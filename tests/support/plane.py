"""A control plane in this process, configured as our own tests need it."""

from __future__ import annotations

__all__ = [
    "CANCELLED",
    "FAILED",
    "PATIENCE",
    "QUEUED",
    "RUNNING",
    "SUCCEEDED",
    "TIMEOUT",
    "Declaration",
    "Plane",
    "ScriptedWorker",
    "config_for",
    "connected",
    "keyring",
    "running_plane",
]

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from agentfield.app import running
from agentfield.config import Config, read_config
from agentfield.identity import Caller, Key, Keyring
from agentfield.testing import PATIENCE, ScriptedWorker, connected
from agentfield.testing import ControlPlane as Plane
from agentfield.testing import ScriptedFunction as Declaration
from agentfield.v1 import execution_pb2
from support.storage import Storage

SUCCEEDED = execution_pb2.EXECUTION_STATUS_SUCCEEDED
FAILED = execution_pb2.EXECUTION_STATUS_FAILED
CANCELLED = execution_pb2.EXECUTION_STATUS_CANCELLED
QUEUED = execution_pb2.EXECUTION_STATUS_QUEUED
RUNNING = execution_pb2.EXECUTION_STATUS_RUNNING
TIMEOUT = execution_pb2.EXECUTION_STATUS_TIMEOUT


def keyring(*callers: Caller) -> Keyring:
    """Return a keyring in which each caller's key is its name."""
    return Keyring(
        [Key(sha256=hashlib.sha256(c.name.encode()).digest(), caller=c) for c in callers]
    )


def config_for(storage: Storage | Path, *, grace: float = 0.6, **limits: Any) -> Config:
    """Return the configuration of a server for tests: free ports, short grace, no gateway.

    A path is a folder for SQLite.
    """
    where = storage if isinstance(storage, Storage) else Storage(folder=storage)
    ours = ["--grpc-bind=127.0.0.1:0", "--http-bind=none", f"--data-dir={where.folder}"]
    config = read_config(ours, {"AGENTFIELD_DATABASE_URL": where.url})
    return replace(config, agent_grace=grace, limits=replace(config.limits, **limits))


@asynccontextmanager
async def running_plane(config: Config) -> AsyncIterator[Plane]:
    """Run a control plane and connect to it."""
    async with running(config) as app, connected(app) as plane:
        yield plane
