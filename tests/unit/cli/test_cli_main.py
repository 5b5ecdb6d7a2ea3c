from __future__ import annotations

import asyncio
import os
import selectors
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from unit.cli.scripted_plane import Af, Plane

from agentfield.v1 import errors
from agentfield.v1 import execution_service_pb2 as execution_pb
from agentfield.v1 import node_service_pb2 as pb
from agentfield_cli.exits import Exit, exit_code
from agentfield_cli.options import run

pytestmark = pytest.mark.unit

_FAILED_ELSEWHERE = {
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "START_TOKEN_EXPIRED",
    "START_TOKEN_USED_UP",
    "EXECUTION_FAILED",
    "EXECUTION_TIMED_OUT",
    "AGENT_LOST",
    "STORE_UNAVAILABLE",
    "SERVER_DRAINING",
    "SERVER_UNREACHABLE",
    "UNIMPLEMENTED",
    "TRANSPORT_NOT_SERVED",
    "NODE_UNAVAILABLE",
    "TOOL_NOT_ALLOWED",
    "UNSUPPORTED",
    "PROVIDER_FAILED",
    "PROVIDER_KEY_MISSING",
    "HOST_NOT_ALLOWED",
    "ORIGIN_NOT_ALLOWED",
    "DEADLINE_EXCEEDED",
    "INTERNAL",
}


def test_every_reason_has_its_exit_code() -> None:
    failed = {
        reason for reason, kind in errors.BY_REASON.items() if exit_code(kind("no")) is Exit.FAILED
    }

    assert failed == _FAILED_ELSEWHERE
    assert {exit_code(kind("no")) for kind in errors.BY_REASON.values()} == {2, 3}


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("--nonsense",),
        ("node",),
        ("node", "show"),
        ("node", "list", "-o", "xml"),
        ("session",),
        ("session", "start"),
        ("session", "offer", "sess_1", "-o", "xml"),
        ("session", "list", "-o", "raw"),
        ("session", "watch", "sess_1", "--after", "-1"),
        ("execution", "list", "--limit", "0"),
        ("execution", "list", "--limit", "many"),
    ],
)
def test_a_command_line_that_makes_no_sense_exits_with_1(
    bare_af: Af, words: tuple[str, ...]
) -> None:
    ran = bare_af(*words)

    assert (ran.code, ran.out) == (1, "")
    assert "Usage: af" in ran.err


def test_help_is_data(bare_af: Af) -> None:
    ran = bare_af("--help")

    assert ran.code == 0
    assert "execution" in ran.out


def test_version_is_the_packages(bare_af: Af) -> None:
    from importlib.metadata import version

    assert bare_af("--version").out.strip() == version("agentfield-sessions")


def test_a_dead_control_plane_is_reported_with_what_to_do(bare_af: Af) -> None:
    ran = bare_af("-s", "127.0.0.1:1", "node", "list")

    assert (ran.code, ran.out) == (3, "")
    assert ran.err == (
        "error: cannot reach the control plane at 127.0.0.1:1: is `af server` running? "
        "(SERVER_UNREACHABLE)\n"
    )


def test_options_after_a_command_win_over_those_before_it(bare_af: Af, plane: Plane) -> None:
    plane.answers("ListNodes", pb.ListNodesResponse())

    ran = bare_af(
        *("-s", "127.0.0.1:1", "-k", "old", "node", "list", "-s", plane.address, "-k", "new")
    )

    assert ran.code == 0
    assert plane.heard[0].metadata["authorization"] == "Bearer new"


def test_the_environment_says_where_and_who(
    bare_af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.answers("ListNodes", pb.ListNodesResponse())
    monkeypatch.setenv("AGENTFIELD_GRPC", plane.address)
    monkeypatch.setenv("AGENTFIELD_API_KEY", "mine")

    assert bare_af("node", "list").code == 0
    assert plane.heard[0].metadata["authorization"] == "Bearer mine"


@pytest.mark.parametrize(
    ("command", "module"), [("server", "agentfield"), ("gateway", "agentfield_gateway")]
)
def test_server_and_gateway_become_their_programs_with_every_flag_as_it_is(
    bare_af: Af, monkeypatch: pytest.MonkeyPatch, command: str, module: str
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, argv: became.append(argv))
    flags = ["--grpc-bind", "127.0.0.1:0", "-x", "--insecure", "--new=1", "word", "-s", "--help"]

    ran = bare_af(command, *flags)

    assert ran.code == 0
    assert became == [[sys.executable, "-P", "-m", module, *flags]]


def test_an_error_of_our_own_is_one_line(bare_af: Af, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError("no such program")

    monkeypatch.setattr(os, "execv", fail)

    ran = bare_af("server")

    assert (ran.code, ran.out) == (3, "")
    assert ran.err == "error: af itself failed: OSError: no such program\n"


def test_without_its_extra_af_says_how_to_get_it(
    bare_af: Af, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("agentfield_cli.")]:
        if name not in {"agentfield_cli.__main__", "agentfield_cli.link"}:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "typer", None)

    ran = bare_af("--help")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err == 'af needs its extra: pip install "agentfield-sessions[cli]"\n'


@pytest.mark.parametrize("group", ["execution", "session"])
def test_help_loads_nothing_heavy(group: str) -> None:
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "agentfield_cli", group, "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stderr

    modules = {line.rpartition("|")[2].strip().partition(".")[0] for line in loaded.splitlines()}
    assert "typer" in modules
    assert not modules & {"grpc", "google", "rich", "yaml", "orjson", "agentfield_sdk"}


def test_ctrl_c_leaves_quietly_with_130(plane: Plane) -> None:
    arrived, over = threading.Event(), threading.Event()

    def wait() -> execution_pb.ExecuteResponse:
        arrived.set()
        over.wait(30)
        return execution_pb.ExecuteResponse()

    plane.answers("Execute", wait)
    with subprocess.Popen(
        [sys.executable, "-m", "agentfield_cli", "-s", plane.address, "execution", "run", "a.b"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert arrived.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        over.set()

    assert (process.returncode, out, err) == (130, b"", b"")


def test_ctrl_c_ends_a_command_that_waits_although_the_signal_interrupts_no_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It interrupts none when it comes between Python's look for signals and the wait."""
    waits, woken_otherwise = threading.Event(), threading.Event()
    select = selectors.DefaultSelector.select

    async def command() -> None:
        asyncio.get_running_loop().call_later(10, woken_otherwise.set)
        await asyncio.Event().wait()

    def noted(self: selectors.DefaultSelector, timeout: float | None = None) -> Any:
        if timeout:
            waits.set()
        return select(self, timeout)

    def interrupt() -> None:
        assert waits.wait(30)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.raise_signal(signal.SIGINT)  # comes to this thread, and not to the one that waits

    monkeypatch.setattr(selectors.DefaultSelector, "select", noted)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(command())
    finally:
        thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert not woken_otherwise.is_set()


def test_a_reader_that_has_seen_enough_is_no_failure(plane: Plane) -> None:
    nodes = [pb.Node(node_id=f"node-{number}") for number in range(10_000)]
    plane.answers("ListNodes", pb.ListNodesResponse(nodes=nodes))
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "agentfield_cli", "-s", plane.address, "node", "list"],
        stdout=writing,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(writing)
        os.close(reading)
        _, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (0, b"")
