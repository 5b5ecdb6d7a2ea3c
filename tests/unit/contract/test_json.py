"""Messages as JSON: what is sent is what was meant, byte for byte where it matters."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentfield.contract.facts import methods, pairs
from agentfield.contract.json import dump, load, set_text
from agentfield.contract.jsonslice import MalformedJson, check_json, members
from agentfield.v1 import (
    error_reason_pb2,
    errors,
    execution_pb2,
    execution_service_pb2,
    forms_pb2,
    node_service_pb2,
    session_pb2,
    session_service_pb2,
)

pytestmark = pytest.mark.unit

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values), st.integers(0, 3)
)
def test_members_are_found_where_they_stand(document: dict[str, object], indent: int) -> None:
    text = json.dumps(document, indent=indent or None)

    found = members(text.encode())

    assert {name: json.loads(part) for name, part in found.items()} == document
    assert all(part in text for part in found.values())


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"[]", b"1", b"{", b'{"a"}', b'{"a":}', b'{"a":1', b'{"a":1,}', b'{"a":1 "b":2}',
        b"{a:1}", b'{"a":1} x', b'{"a":NaN}', b'{"a":-Infinity}', b'\xff{"a":1}', b'{"a":"\n"}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)  # fmt: skip
def test_what_is_not_an_object_is_refused(bad: bytes) -> None:
    with pytest.raises(MalformedJson):
        members(bad)


def test_a_json_value_is_checked_whole() -> None:
    check_json(b" [1, 2] ")
    check_json(b' {"a": 123456789012345678901234567890} ', expect_object=True)
    for bad in (b"", b"1 2", b"NaN", b"'a'", b"\xff"):
        with pytest.raises(MalformedJson):
            check_json(bad)
    with pytest.raises(MalformedJson, match="does not begin"):
        check_json(b"[1]", expect_object=True)


def test_payloads_pass_byte_for_byte() -> None:
    body = b'{"input": {"n":9007199254740993, "x": 1.0,  "e":1E400}, "timeout": "1.5s"}'

    request = load(execution_service_pb2.ExecuteRequest(), body)

    assert request.input == b'{"n":9007199254740993, "x": 1.0,  "e":1E400}'
    assert request.timeout.ToMilliseconds() == 1500
    execution = execution_pb2.Execution(input=request.input)
    assert request.input in dump(execution)


def test_a_number_of_thousands_of_digits_is_passed_on() -> None:
    digits = b"9" * 5000
    request = load(execution_service_pb2.ExecuteRequest(), b'{"input": {"n":' + digits + b"}}")

    assert request.input == b'{"n":' + digits + b"}"


def test_what_is_unset_is_left_out_and_counts_are_numbers() -> None:
    execution = execution_pb2.Execution(
        execution_id="exec_1",
        status=execution_pb2.EXECUTION_STATUS_TIMEOUT,
        error_reason=error_reason_pb2.ERROR_REASON_AGENT_LOST,
        duration_ms=0,
        attempt=1,
    )
    execution.created_at.FromJsonString("2026-01-31T12:00:00.5Z")

    assert json.loads(dump(execution)) == {
        "execution_id": "exec_1",
        "status": "timeout",
        "error_reason": "AGENT_LOST",
        "attempt": 1,
        "depth": 0,
        "created_at": "2026-01-31T12:00:00.500Z",
        "duration_ms": 0,
        "local": False,
    }


def test_messages_lists_and_maps_nest() -> None:
    node = load(
        node_service_pb2.RegisterNodeRequest(),
        b'{"node_id":"n","functions":[ {"name":"f","kind":"skill","input_schema":{"a": 1},'
        b'"tags":["x","y"],"idempotent":true} ,{"name":"g","kind":"REASONER"}]}',
    )
    assert [f.name for f in node.functions] == ["f", "g"]
    assert node.functions[0].input_schema == b'{"a": 1}'
    assert list(node.functions[0].tags) == ["x", "y"]
    assert node.functions[1].kind == execution_pb2.FUNCTION_KIND_REASONER
    again = load(node_service_pb2.RegisterNodeRequest(), dump(node))
    assert again == node

    batch = execution_service_pb2.BatchGetExecutionsResponse(missing=["b"])
    batch.executions["a"].execution_id = "a"
    assert json.loads(dump(batch))["executions"]["a"]["execution_id"] == "a"


def test_members_that_existing_clients_send_are_read_over() -> None:
    request = load(
        execution_service_pb2.ExecuteRequest(), b'{"context": [1], "webhook": null, "input": {}}'
    )

    assert request == execution_service_pb2.ExecuteRequest(input=b"{}")


def test_members_of_a_flat_message_stand_in_place_and_yield_to_the_others() -> None:
    form = forms_pb2.ExecutionForm(status="odd", execution_id="exec_1")
    assert json.loads(dump(form)) == {"execution_id": "exec_1", "status": "odd"}

    form.execution.run_id = "run_1"
    form.execution.status = execution_pb2.EXECUTION_STATUS_RUNNING

    found = json.loads(dump(form))
    assert (found["run_id"], found["status"]) == ("run_1", "odd")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "must be a JSON object: a name in double quotes"),
        (b"[]", "must be a JSON object: it does not begin with '{'"),
        (b'{"inputs": 1}', "Unknown field 'inputs'; ExecuteRequest has: target, input"),
        (b'{"target": 1}', "'target' must be a string"),
        (b'{"timeout": "soon"}', "'timeout' must be a duration"),
        (b'{"timeout": []}', "'timeout' must be a duration"),
        (b'{"timeout": 1e300}', "'timeout' must be a duration"),
        (b'{"timeout": ' + b"9" * 5000 + b"}", "'timeout' must be"),
        (b'{"\\ud800": 1}', "Unknown field"),
        (b'{"target": "\\ud800"}', "'target' must be a string"),
    ],
)
def test_a_wrong_body_says_what_is_wrong(body: bytes, says: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=says):
        load(execution_service_pb2.ExecuteRequest(), body)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"functions": {}}', "'functions' must be a list"),
        (b'{"functions": [1]}', "must be a JSON object"),
        (b'{"functions": [{"kind": "king"}]}', "one of: reasoner, skill"),
        (b'{"functions": [{"kind": {}}]}', "one of: reasoner, skill"),
        (b'{"functions": [{"tags": ["\\udc00"]}]}', "'tags' must be a string"),
        (b'{"functions": [{"idempotent": 1}]}', "true or false"),
        (b'{"functions": [{"tags": "x"}]}', "'tags' must be a list"),
    ],
)
def test_a_wrong_value_inside_says_where(body: bytes, says: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=says):
        load(node_service_pb2.RegisterNodeRequest(), body)


@pytest.mark.parametrize("text", [b"0.5", b"1", b"0", b"5e-1", b"-0.25"])
def test_a_number_with_a_fraction_is_what_it_says(text: bytes) -> None:
    found = load(session_pb2.TurnDetection(), b'{"threshold":' + text + b"}")

    assert found.threshold == json.loads(text)
    assert json.loads(dump(found))["threshold"] == json.loads(text)


@pytest.mark.parametrize(
    "text", [b'"0.5"', b"true", b"[]", b"{}", b"1e999", b"-1e999", b"9" * 400, b'"NaN"']
)
def test_what_is_no_number_is_refused(text: bytes) -> None:
    with pytest.raises(errors.InvalidArgument, match="'threshold' must be a number"):
        load(session_pb2.TurnDetection(), b'{"threshold":' + text + b"}")


def test_a_map_of_texts_is_an_object() -> None:
    started = session_service_pb2.StartSessionResponse(tool_targets={"find": "desk.find"})

    assert json.loads(dump(started))["tool_targets"] == {"find": "desk.find"}


def test_null_leaves_a_field_unset_and_numbers_of_seconds_are_durations() -> None:
    request = load(execution_service_pb2.ExecuteRequest(), b'{"target": null, "timeout": 2.5}')

    assert request.target == ""
    assert request.timeout.ToMilliseconds() == 2500


def test_plain_texts_set_fields() -> None:
    request = execution_service_pb2.ListExecutionsRequest()
    for name, text in (("run_id", "run_1"), ("page_size", "5"), ("status", "queued")):
        set_text(request, name, text)

    assert (request.run_id, request.page_size) == ("run_1", 5)
    assert request.status == execution_pb2.EXECUTION_STATUS_QUEUED
    for name, text in (("page_size", "x"), ("page_size", "99999999999"), ("nope", "1")):
        with pytest.raises(errors.InvalidArgument, match=name):
            set_text(request, name, text)


def test_the_matrix_is_the_contracts() -> None:
    assert [(p.provider, p.transport, p.served) for p in pairs()] == [
        ("openai", "webrtc", True),
        ("openai", "websocket", False),
        ("openrouter", "audio_turns", False),
    ]


def test_every_rpc_says_who_may_call_it() -> None:
    open_to_all = {name.rpartition("/")[2] for name, m in methods().items() if not m.roles}

    assert open_to_all == {"GetServerInfo"}
    assert methods()["/agentfield.v1.AgentService/Work"].roles == {"agent"}
