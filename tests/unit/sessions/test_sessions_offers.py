"""What an SDP offer must be before anybody is called, in the order of checks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.sessions.stage import DECLARATION, SESSION

from agentfield.sessions.model import Session, State
from agentfield.sessions.offers import MAX_SDP, OfferAssertions, checked_offer
from agentfield.sessions.provider import Capabilities, Provider
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

SDP = b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
CHANNEL = SDP + b"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
NOTHING = OfferAssertions()


class NoAdapter:
    """Nobody is called before an offer was checked."""


def offer(
    sdp: bytes = SDP,
    asserted: OfferAssertions = NOTHING,
    session: Session = SESSION,
    *,
    has_key: bool = True,
) -> None:
    provider = Provider(
        name="openai",
        transport="webrtc",
        capabilities=Capabilities(),
        has_key=has_key,
        key_variable="OPENAI_API_KEY",
        adapter=NoAdapter(),  # type: ignore[arg-type]
    )
    checked_offer(sdp, asserted, session, provider)


def of(**declared: Any) -> Session:
    return replace(SESSION, declaration=replace(DECLARATION, **declared))


OVER = replace(SESSION, state=State.ENDED)
WRONG = OfferAssertions(target="shop.other")


def offers_nothing(session: Session, asserted: OfferAssertions) -> None:
    offer(b"", asserted, session, has_key=False)


def test_a_session_that_is_over_is_told_of_first() -> None:
    with pytest.raises(errors.SessionEnded):
        offers_nothing(OVER, WRONG)


def test_what_is_asserted_is_checked_before_the_transport() -> None:
    with pytest.raises(errors.InvalidArgument, match="the offer says target=shop"):
        offers_nothing(of(transport="websocket"), WRONG)


def test_the_transport_is_checked_before_the_key() -> None:
    with pytest.raises(errors.InvalidArgument, match="realtime-offer requires transport=webrtc"):
        offers_nothing(of(transport="websocket"), NOTHING)


def test_what_is_wrong_with_the_offer_comes_before_what_the_server_lacks() -> None:
    text = "^OPENAI_API_KEY is required for provider=openai transport=webrtc$"
    with pytest.raises(errors.InvalidArgument, match=r"^SDP offer body is required$"):
        offers_nothing(SESSION, NOTHING)
    with pytest.raises(errors.ProviderKeyMissing, match=text):
        offer(has_key=False)


@pytest.mark.parametrize(
    ("sdp", "error", "says"),
    [
        (b"", errors.InvalidArgument, "^SDP offer body is required$"),
        (b" \r\n", errors.InvalidArgument, "^SDP offer body is required$"),
        (
            b"x" * (MAX_SDP + 1),
            errors.PayloadTooLarge,
            "has 65537 bytes; at most 65536",
        ),
        (b'{"sdp":1}', errors.InvalidArgument, "is no SDP with audio"),
        (b"v=0\r\n", errors.InvalidArgument, "is no SDP with audio"),
        (SDP[5:], errors.InvalidArgument, "is no SDP with audio"),
    ],
)
def test_an_offer_is_sdp_with_audio(
    sdp: bytes, error: type[errors.AgentFieldError], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        offer(sdp)
    assert type(caught.value) is error


def test_a_data_channel_may_be_refused() -> None:
    with pytest.raises(errors.DataChannelRefused, match="takes no data channel"):
        offer(CHANNEL, session=of(data_channel="refuse"))


@pytest.mark.parametrize(
    ("sdp", "session"),
    [
        (SDP, SESSION),
        (SDP.replace(b"\r\n", b"\n"), SESSION),
        (CHANNEL, SESSION),
        (SDP, of(data_channel="refuse")),
        (SDP + b"a=" + b"x" * (MAX_SDP - len(SDP) - 2), SESSION),
    ],
)
def test_an_offer_that_is_fine_passes(sdp: bytes, session: Session) -> None:
    offer(sdp, session=session)


def test_an_odd_data_channel_is_one_as_well() -> None:
    with pytest.raises(errors.DataChannelRefused):
        offer(SDP + b"m=application\t9 x y\r\n", session=of(data_channel="refuse"))


@pytest.mark.parametrize(
    "asserted",
    [
        OfferAssertions(provider="OpenAI", transport=" WebRTC ", target="shop.voice"),
        OfferAssertions(target=" shop.voice"),
        OfferAssertions(provider=" "),
    ],
)
def test_what_an_offer_says_of_its_session_may_be_true(asserted: OfferAssertions) -> None:
    offer(asserted=asserted)


@pytest.mark.parametrize(
    ("asserted", "field"),
    [
        (OfferAssertions(provider="openrouter"), "provider"),
        (OfferAssertions(transport="websocket"), "transport"),
        (OfferAssertions(target="SHOP.voice"), "target"),
    ],
)
def test_what_an_offer_says_of_its_session_may_be_false(
    asserted: OfferAssertions, field: str
) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        offer(asserted=asserted)
    assert caught.value.metadata == {"field": field}
