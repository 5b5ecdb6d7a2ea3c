"""One class per reason, the same facts everywhere, and nothing lost on the wire."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

import agentfield_sdk
from agentfield.contract.status import error_from_status, status_of
from agentfield.v1 import error_reason_pb2, errors

pytestmark = pytest.mark.unit

VALUES = [v for v in error_reason_pb2.ErrorReason.DESCRIPTOR.values if v.number]


def test_there_is_exactly_one_class_for_each_reason() -> None:
    reasons = {value.name.removeprefix("ERROR_REASON_") for value in VALUES}
    classes = errors.AgentFieldError.__subclasses__()

    assert set(errors.BY_REASON) == reasons
    assert sorted(c.reason for c in classes) == sorted(reasons)
    for reason, kind in errors.BY_REASON.items():
        assert kind.reason == reason
        assert getattr(agentfield_sdk, kind.__name__) is kind


def test_each_class_knows_what_the_contract_says() -> None:
    for value in VALUES:
        facts = value.GetOptions().Extensions[error_reason_pb2.error]
        kind = errors.BY_REASON[value.name.removeprefix("ERROR_REASON_")]
        assert (kind.code, kind.http_status, kind.retryable) == (
            facts.code,
            facts.http_status,
            facts.retryable,
        )
        assert facts.code != code_pb2.OK
        assert 400 <= facts.http_status < 600
        assert kind.__doc__


@pytest.mark.parametrize("reason", errors.BY_REASON)
def test_an_error_comes_back_as_itself(reason: str) -> None:
    sent = errors.BY_REASON[reason]("it broke", metadata={"a": "b"}, retry_after=1.5)

    got = error_from_status(status_pb2.Status.FromString(status_of(sent).SerializeToString()))

    assert type(got) is type(sent)
    assert (got.message, got.metadata, got.retry_after) == ("it broke", {"a": "b"}, 1.5)


def test_the_wire_carries_the_bare_reason_in_our_domain() -> None:
    status = status_of(errors.CallTooDeep("deep"))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)

    assert (info.reason, info.domain) == ("CALL_TOO_DEEP", "agentfield.dev")
    assert status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.ServerUnreachable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.DeadlineExceeded),
        (grpc.StatusCode.UNIMPLEMENTED, errors.Unimplemented),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.PayloadTooLarge),
        (grpc.StatusCode.DATA_LOSS, errors.Internal),
    ],
)
def test_a_bare_status_gets_the_nearest_class(
    code: grpc.StatusCode, kind: type[errors.AgentFieldError]
) -> None:
    assert type(error_from_status(status_pb2.Status(code=code.value[0]))) is kind


def test_a_reason_of_another_domain_is_not_ours() -> None:
    status = status_pb2.Status(code=5)
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason="NODE_NOT_FOUND", domain="example.com")
    )

    assert type(error_from_status(status)) is errors.Internal
