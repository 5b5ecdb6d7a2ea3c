from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from unit.cli.scripted_plane import Af, Plane, Ran

from agentfield_cli import link
from agentfield_cli.__main__ import main


@pytest.fixture
def plane() -> Iterator[Plane]:
    plane = Plane()
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads, handlers=[plane])
        plane.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield plane
        server.stop(None).wait()


@pytest.fixture
def bare_af(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Af:
    """Run af in this process with the words given, and nothing else."""
    monkeypatch.delenv("AGENTFIELD_GRPC", raising=False)
    monkeypatch.delenv("AGENTFIELD_API_KEY", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(link, "_PATIENCE", 0.2)

    def run(*words: str, stdin: bytes = b"", terminal: bool = False) -> Ran:
        monkeypatch.setattr(sys, "argv", ["af", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: terminal)
        code = main()
        captured = capsysbinary.readouterr()
        return Ran(code=code, out=captured.out.decode(), err=captured.err.decode())

    return run


@pytest.fixture
def af(bare_af: Af, plane: Plane) -> Af:
    """Run af in this process against the scripted control plane."""

    def run(*words: str, stdin: bytes = b"", terminal: bool = False) -> Ran:
        return bare_af("-s", plane.address, *words, stdin=stdin, terminal=terminal)

    return run
