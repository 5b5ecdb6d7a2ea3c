from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from agentfield.v1 import execution_pb2
from agentfield.v1 import node_service_pb2 as pb
from agentfield.v1.node_service_pb2_grpc import NodeServiceStub

pytestmark = pytest.mark.integration

Ran = subprocess.CompletedProcess[str]
Af = Callable[..., Ran]

_AF = [sys.executable, "-m", "agentfield_cli"]
_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("AGENTFIELD_")
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a control plane listens that `af server` started; it knows a node without workers."""
    folder: Path = tmp_path_factory.mktemp("data")
    flags = ["--grpc-bind", "127.0.0.1:0", "--http-bind", "none", "--data-dir", str(folder)]
    with subprocess.Popen(
        [*_AF, "server", *flags], stdout=subprocess.PIPE, env=_ENVIRONMENT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            address: str = json.loads(process.stdout.readline())["grpc"]
            _register(address)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def _register(address: str) -> None:
    kind = execution_pb2.FUNCTION_KIND_SKILL
    with grpc.insecure_channel(address) as channel:
        NodeServiceStub(channel).RegisterNode(
            pb.RegisterNodeRequest(
                node_id="writer",
                instance_id="w1",
                functions=[pb.Function(name="draft", kind=kind)],
            ),
            timeout=10,
        )


@pytest.fixture
def af(address: str) -> Af:
    def run(*words: str) -> Ran:
        return subprocess.run(
            [*_AF, *words],
            capture_output=True,
            env={**_ENVIRONMENT, "AGENTFIELD_GRPC": address},
            text=True,
            timeout=60,
            check=False,
        )

    return run


def _submit(af: Af, text: str = "{}") -> str:
    stored = json.loads(af("execution", "run", "writer.draft", "--in", text, "--async").stdout)
    return str(stored["execution_id"])


def test_nodes_are_listed_and_shown(af: Af) -> None:
    listed = json.loads(af("node", "list").stdout)
    shown = json.loads(af("node", "show", "writer").stdout)

    assert [node["node_id"] for node in listed["nodes"]] == ["writer"]
    assert [function["name"] for function in shown["functions"]] == ["draft"]


def test_what_people_read_can_be_had_in_a_pipe(af: Af) -> None:
    header, row = af("node", "list", "-o", "text").stdout.splitlines()
    shown = af("node", "show", "writer", "-o", "text").stdout

    assert (header.split()[:2], row.split()) == (["node_id", "connected"], ["writer", "false"])
    assert "draft" in shown


def test_an_input_comes_back_byte_for_byte(af: Af) -> None:
    execution_id = _submit(af, '{"n": 9007199254740993, "x": 1.10}')

    ran = af("execution", "show", execution_id)

    assert ran.returncode == 0
    assert '"input":{"n": 9007199254740993, "x": 1.10}' in ran.stdout


def test_the_same_request_id_joins_the_same_execution(af: Af) -> None:
    words = ("execution", "run", "writer.draft", "--async", "--request-id", "once")

    first, second = (json.loads(af(*words).stdout)["execution_id"] for _ in range(2))

    assert first == second


def test_a_workflow_is_shown_from_any_of_its_executions(af: Af) -> None:
    execution_id = _submit(af)

    workflow = json.loads(af("execution", "show", execution_id, "--dag", "-o", "json").stdout)

    assert workflow["workflow"]["root_execution_id"] == execution_id
    assert [execution["execution_id"] for execution in workflow["executions"]] == [execution_id]


def test_what_is_cancelled_is_listed_as_cancelled_and_its_watch_exits_with_2(af: Af) -> None:
    execution_id = _submit(af)

    cancelled = json.loads(af("execution", "cancel", execution_id, "--reason", "enough").stdout)
    listed = json.loads(af("execution", "list", "--status", "cancelled").stdout)
    watched = af("execution", "watch", execution_id)

    assert cancelled["cancelled_count"] == 1
    assert execution_id in {execution["execution_id"] for execution in listed["executions"]}
    assert watched.returncode == 2
    assert json.loads(watched.stdout)["status"] == "cancelled"
    assert watched.stderr.endswith("(EXECUTION_CANCELLED)\n")


def test_run_that_times_out_exits_with_3_and_writes_the_execution(af: Af) -> None:
    ran = af("execution", "run", "writer.draft", "--timeout", "0.2")

    assert ran.returncode == 3
    assert json.loads(ran.stdout)["status"] == "timeout"
    assert ran.stderr.endswith("(EXECUTION_TIMED_OUT)\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("node", "show", "ghost"), "NODE_NOT_FOUND"),
        (("execution", "run", "ghost.speak"), "NODE_NOT_FOUND"),
        (("execution", "run", "writer.sing"), "TARGET_NOT_FOUND"),
        (("execution", "show", "exec_00000000000000000000000000"), "EXECUTION_NOT_FOUND"),
        (("execution", "watch", "exec_00000000000000000000000000"), "EXECUTION_NOT_FOUND"),
    ],
)
def test_a_request_that_is_wrong_exits_with_2(af: Af, words: tuple[str, ...], reason: str) -> None:
    ran = af(*words)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.endswith(f"({reason})\n")
