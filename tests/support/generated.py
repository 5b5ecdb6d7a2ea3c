"""Clients that generators of others make from our OpenAPI document."""

from __future__ import annotations

__all__ = ["GeneratedClient", "generate_python_client", "generated_client"]

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv/tools"
DOCUMENT = resources.files("agentfield_gateway").joinpath("openapi.json")
PACKAGE = "generated_agentfield_client"


def generate_python_client(folder: Path) -> None:
    """Have openapi-python-client write a package into a folder; whatever it warns of fails."""
    document = folder / "openapi.json"
    document.write_bytes(DOCUMENT.read_bytes())
    command = [sys.executable, "-m", "openapi_python_client", "generate"]
    config = ROOT / "examples/openapi_python_client.yaml"
    options = [f"--path={document}", f"--output-path={folder / PACKAGE}", f"--config={config}"]
    made = subprocess.run(
        [*command, *options, "--meta", "none", "--fail-on-warning"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(TOOLS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr


class GeneratedClient:
    """A generated package, and one of its clients.

    ``await client("execute_async", "n.f", body=…)`` calls an operation and returns what it parsed.
    """

    def __init__(self, client: Any) -> None:
        self.models: Any = importlib.import_module(f"{PACKAGE}.models")
        self.types: Any = importlib.import_module(f"{PACKAGE}.types")
        self._client = client
        (folder,) = importlib.import_module(PACKAGE).__path__
        self._folder = Path(folder)

    async def __call__(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call an operation, and return the value of its type that it answered."""
        return (await self.detailed(operation, *arguments, **options)).parsed

    async def detailed(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call an operation, and return its answer with status and headers."""
        (found,) = self._folder.glob(f"api/*/{operation}.py")
        module = importlib.import_module(f"{PACKAGE}.api.{found.parent.name}.{operation}")
        # Its asynchronous form does not take the file that its raw bodies are.
        call = partial(module.sync_detailed, *arguments, client=self._client, **options)
        return await asyncio.to_thread(call)

    def made(self, model: str, plain: Any) -> Any:
        """Return a model of what it is as JSON."""
        return getattr(self.models, model).from_dict(plain)


@asynccontextmanager
async def generated_client(url: str, *, key: str = "") -> AsyncIterator[GeneratedClient]:
    """Connect a generated client; what its package does not know of fails."""
    package = importlib.import_module(f"{PACKAGE}.client")
    client = package.AuthenticatedClient(url, key) if key else package.Client(url)
    client.raise_on_unexpected_status = True
    with client:
        yield GeneratedClient(client)
