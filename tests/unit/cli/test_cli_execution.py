from __future__ import annotations

import json

import pytest
import yaml
from unit.cli.scripted_plane import Af, Plane

from agentfield.contract.json import dump
from agentfield.v1 import error_reason_pb2, errors
from agentfield.v1 import execution_pb2 as pb
from agentfield.v1 import execution_service_pb2 as service_pb
from agentfield.v1 import workflow_service_pb2 as workflow_pb

pytestmark = pytest.mark.unit

_MORE = "more"
_BIG = b'{"n": 9007199254740993}'


def _execution(execution_id: str = "exec_1", **fields: object) -> pb.Execution:
    execution = pb.Execution(
        execution_id=execution_id,
        run_id="run_1",
        target="writer.draft",
        status=pb.EXECUTION_STATUS_SUCCEEDED,
    )
    execution.MergeFrom(pb.Execution(**fields))  # type: ignore[arg-type]
    return execution


def _failed(reason: str) -> pb.Execution:
    return _execution(
        status=pb.EXECUTION_STATUS_FAILED,
        error="no ink",
        error_reason=error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}"),
    )


def _state(execution: pb.Execution) -> service_pb.WatchExecutionResponse:
    return service_pb.WatchExecutionResponse(execution=execution)


def test_run_writes_the_answer_as_one_line_of_json(af: Af, plane: Plane) -> None:
    answer = service_pb.ExecuteResponse(
        execution_id="exec_1", run_id="run_1", status=pb.EXECUTION_STATUS_SUCCEEDED, result=_BIG
    )
    plane.answers("Execute", answer)

    ran = af("execution", "run", "writer.draft")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == dump(answer).decode() + "\n"
    assert '"result":{"n": 9007199254740993}' in ran.out


def test_run_passes_everything_on_untouched(af: Af, plane: Plane) -> None:
    plane.answers("Execute", service_pb.ExecuteResponse())

    af(
        *("-k", "secret", "execution", "run", "writer.draft", "--in", _BIG.decode()),
        *("--timeout", "1.5", "--request-id", "mine"),
    )

    (heard,) = plane.heard
    assert heard.metadata["authorization"] == "Bearer secret"
    assert heard.request.target == "writer.draft"
    assert heard.request.input == _BIG
    assert heard.request.timeout.ToMilliseconds() == 1500
    assert heard.request.request_id == "mine"


def test_run_reads_its_input_from_a_pipe(af: Af, plane: Plane) -> None:
    plane.answers("Execute", service_pb.ExecuteResponse())

    af("execution", "run", "writer.draft", "--in", "-", stdin=_BIG)

    assert plane.requests("Execute")[0].input == _BIG


def test_run_in_the_background_does_not_wait(af: Af, plane: Plane) -> None:
    plane.answers("ExecuteAsync", service_pb.ExecuteAsyncResponse(execution_id="exec_1"))

    ran = af("execution", "run", "writer.draft", "--async")

    assert ran.code == 0
    assert json.loads(ran.out)["execution_id"] == "exec_1"
    assert plane.requests("ExecuteAsync")[0].input == b"{}"


def test_run_of_an_execution_that_fails_writes_it_and_says_why(af: Af, plane: Plane) -> None:
    plane.answers(
        "Execute", errors.ExecutionFailed("no \x1b[31mink", metadata={"execution_id": "exec_1"})
    )
    plane.answers(
        "GetExecution", service_pb.GetExecutionResponse(execution=_failed("EXECUTION_FAILED"))
    )

    ran = af("execution", "run", "writer.draft")

    assert ran.code == 3
    assert json.loads(ran.out)["error"] == "no ink"
    assert ran.err == "error: no \\x1b[31mink (EXECUTION_FAILED)\n"
    assert plane.requests("GetExecution")[0].execution_id == "exec_1"


def test_run_that_was_cancelled_exits_with_2(af: Af, plane: Plane) -> None:
    plane.answers("Execute", errors.ExecutionCancelled("cancelled"))

    assert af("execution", "run", "writer.draft").code == 2


@pytest.mark.parametrize("words", [("--in", "{"), ("--timeout", "soon"), ("--in", "@nowhere")])
def test_run_refuses_bad_options_without_asking_anyone(
    af: Af, plane: Plane, words: tuple[str, str]
) -> None:
    ran = af("execution", "run", "writer.draft", *words)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("(INVALID_ARGUMENT)\n")
    assert plane.heard == []


def test_show_writes_the_execution_itself(af: Af, plane: Plane) -> None:
    execution = _execution(input=_BIG)
    plane.answers("GetExecution", service_pb.GetExecutionResponse(execution=execution))

    assert af("execution", "show", "exec_1").out == dump(execution).decode() + "\n"


def test_an_explicit_form_wins_on_a_terminal(af: Af, plane: Plane) -> None:
    answer = service_pb.GetExecutionResponse(execution=_execution(input=_BIG))
    plane.answers("GetExecution", answer, answer, answer)

    as_json = af("execution", "show", "exec_1", "-o", "json", terminal=True).out
    as_pretty = af("execution", "show", "exec_1", "-o", "pretty", terminal=True).out
    as_yaml = af("execution", "show", "exec_1", "--output", "yaml", terminal=True).out

    assert as_json.count("\n") == 1
    assert as_pretty.startswith('{\n  "execution_id": "exec_1",\n')
    assert yaml.safe_load(as_yaml) == json.loads(as_pretty) == json.loads(as_json)


def test_show_on_a_terminal_is_a_table_that_no_function_can_dress_up(af: Af, plane: Plane) -> None:
    execution = _execution(error="[red]\x1b[2Jbold", input=_BIG)
    plane.answers("GetExecution", service_pb.GetExecutionResponse(execution=execution))

    ran = af("execution", "show", "exec_1", terminal=True)

    assert "[red]\\x1b[2Jbold" in ran.out
    assert '{"n": 9007199254740993}' in ran.out


def test_show_dag_asks_for_every_page_of_the_run(af: Af, plane: Plane) -> None:
    plane.answers("GetExecution", service_pb.GetExecutionResponse(execution=_execution()))
    plane.answers(
        "GetWorkflow",
        workflow_pb.GetWorkflowResponse(
            workflow=workflow_pb.Workflow(active_executions=1),
            executions=[_execution("exec_1")],
            next_page_token=_MORE,
        ),
        workflow_pb.GetWorkflowResponse(
            workflow=workflow_pb.Workflow(active_executions=0),
            executions=[_execution("exec_2", parent_execution_id="exec_1")],
        ),
    )

    found = json.loads(af("execution", "show", "exec_1", "--dag", "-o", "json").out)

    assert [request.page_token for request in plane.requests("GetWorkflow")] == ["", _MORE]
    assert {request.run_id for request in plane.requests("GetWorkflow")} == {"run_1"}
    assert [execution["execution_id"] for execution in found["executions"]] == ["exec_1", "exec_2"]
    assert found["workflow"]["active_executions"] == 0
    assert "next_page_token" not in found


def test_show_dag_is_a_tree(af: Af, plane: Plane) -> None:
    plane.answers("GetExecution", service_pb.GetExecutionResponse(execution=_execution()))
    plane.answers(
        "GetWorkflow",
        workflow_pb.GetWorkflowResponse(
            executions=[
                _execution("exec_1", duration_ms=7),
                _execution("exec_2", parent_execution_id="exec_1"),
            ],
        ),
    )

    assert af("execution", "show", "exec_2", "--dag").out.splitlines() == [
        "writer.draft  succeeded  7 ms  exec_1",
        "└─ writer.draft  succeeded  exec_2",
    ]


def test_watch_writes_a_line_for_every_change(af: Af, plane: Plane) -> None:
    plane.answers(
        "WatchExecution",
        _state(_execution(status=pb.EXECUTION_STATUS_QUEUED)),
        _state(_execution(status=pb.EXECUTION_STATUS_RUNNING)),
        _state(_execution(result=_BIG)),
    )

    ran = af("execution", "watch", "exec_1")

    states = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert [state["status"] for state in states] == ["queued", "running", "succeeded"]
    assert plane.requests("WatchExecution")[0].execution_id == "exec_1"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("EXECUTION_FAILED", 3),
        ("AGENT_LOST", 3),
        ("EXECUTION_TIMED_OUT", 3),
        ("EXECUTION_CANCELLED", 2),
        ("INVALID_INPUT", 2),
    ],
)
def test_watch_of_an_execution_that_fails_says_why(
    af: Af, plane: Plane, reason: str, code: int
) -> None:
    plane.answers("WatchExecution", _state(_failed(reason)))

    ran = af("execution", "watch", "exec_1")

    assert ran.code == code
    assert json.loads(ran.out)["error_reason"] == reason
    assert ran.err == f"error: no ink ({reason})\n"


def test_watch_that_is_cut_off_is_no_success(af: Af, plane: Plane) -> None:
    plane.answers(
        "WatchExecution",
        _state(_execution(status=pb.EXECUTION_STATUS_RUNNING)),
        errors.ServerDraining("going down"),
    )

    ran = af("execution", "watch", "exec_1")

    assert ran.code == 3
    assert ran.err == "error: going down (SERVER_DRAINING)\n"


def test_watch_on_a_terminal_ends_with_the_last_state(af: Af, plane: Plane) -> None:
    plane.answers(
        "WatchExecution",
        _state(_execution(status=pb.EXECUTION_STATUS_RUNNING)),
        _state(_execution(result=_BIG)),
    )

    ran = af("execution", "watch", "exec_1", terminal=True)

    assert ran.code == 0
    assert "succeeded" in ran.out.rpartition("running")[2]


def test_what_is_for_people_can_be_had_in_a_pipe(
    af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    long = _execution("exec_" + "1" * 40, error="first\nsecond")
    plane.answers("ListExecutions", service_pb.ListExecutionsResponse(executions=[long]))
    plane.answers(
        "WatchExecution",
        _state(_execution(status=pb.EXECUTION_STATUS_RUNNING)),
        _state(_execution(result=_BIG)),
    )
    plane.answers("GetExecution", *[service_pb.GetExecutionResponse(execution=long)] * 2)
    plane.answers("GetWorkflow", workflow_pb.GetWorkflowResponse(executions=[long]))

    listed = af("execution", "list", "-o", "text").out
    watched = af("execution", "watch", "exec_1", "-o", "text").out
    shown = af("execution", "show", "exec_1", "-o", "text").out
    drawn = af("execution", "show", "exec_1", "--dag", "-o", "text").out

    assert listed.splitlines()[1].split() == [long.execution_id, "writer.draft", "succeeded"]
    assert not any(line.endswith(" ") for line in listed.splitlines())
    states = [line.split()[1] for line in watched.splitlines() if line.startswith("status")]
    assert states == ["running", "succeeded"]
    at = next(line for line in shown.splitlines() if line.startswith("error")).index("first")
    assert f"\n{' ' * at}second\n" in shown
    assert drawn == f"writer.draft  succeeded  {long.execution_id}\n"


def test_the_forms_of_the_data_are_in_the_help(af: Af) -> None:
    shown = " ".join(af("execution", "list", "--help").out.split())

    assert "json|pretty|yaml|text" in shown
    assert "text is for people" in shown


def test_list_sends_its_conditions_in_the_contracts_words(af: Af, plane: Plane) -> None:
    plane.answers("ListExecutions", service_pb.ListExecutionsResponse())

    ran = af(
        *("execution", "list", "--run", "run_1", "--node", "writer", "--target", "writer.draft"),
        *("--status", "failed", "--limit", "7"),
    )

    assert (ran.code, ran.out, ran.err) == (0, '{"executions":[]}\n', "")
    assert plane.requests("ListExecutions") == [
        service_pb.ListExecutionsRequest(
            run_id="run_1",
            node_id="writer",
            target="writer.draft",
            status=pb.EXECUTION_STATUS_FAILED,
            page_size=7,
        )
    ]


def test_list_asks_for_pages_up_to_its_limit_and_says_that_there_is_more(
    af: Af, plane: Plane
) -> None:
    pages = [
        service_pb.ListExecutionsResponse(
            executions=[_execution(f"exec_{n}") for n in numbers], next_page_token=token
        )
        for numbers, token in [(range(1000), "a"), (range(1000, 1500), _MORE)]
    ]
    plane.answers("ListExecutions", *pages)

    ran = af("execution", "list", "--limit", "1500")

    found = json.loads(ran.out)
    asked = plane.requests("ListExecutions")
    assert [(request.page_size, request.page_token) for request in asked] == [
        (1000, ""),
        (500, "a"),
    ]
    assert [execution["execution_id"] for execution in found["executions"]] == [
        f"exec_{n}" for n in range(1500)
    ]
    assert found["next_page_token"] == _MORE
    assert ran.err == "note: only the newest 1500; --limit shows more\n"


def test_list_refuses_a_state_that_does_not_exist_and_names_those_that_do(
    af: Af, plane: Plane
) -> None:
    ran = af("execution", "list", "--status", "happy")

    assert ran.code == 2
    assert "queued, running, succeeded" in ran.err
    assert plane.heard == []


def test_list_on_a_terminal_is_a_table(
    af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")  # no bold
    plane.answers("ListExecutions", service_pb.ListExecutionsResponse(executions=[_execution()]))

    header, row = af("execution", "list", terminal=True).out.splitlines()

    assert header.split() == ["execution_id", "target", "status", "duration_ms"]
    assert row.split() == ["exec_1", "writer.draft", "succeeded"]


def test_cancel_passes_the_reason_on_and_writes_what_was_cancelled(af: Af, plane: Plane) -> None:
    plane.answers("CancelExecution", service_pb.CancelExecutionResponse(cancelled_count=3))

    ran = af("execution", "cancel", "exec_1", "--reason", "too late")

    assert json.loads(ran.out) == {"cancelled_count": 3}
    assert plane.requests("CancelExecution") == [
        service_pb.CancelExecutionRequest(execution_id="exec_1", reason="too late")
    ]
