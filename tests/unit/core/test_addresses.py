"""Where agents may be called."""

from __future__ import annotations

import pytest

from agentfield.dispatch.addresses import AddressPolicy, Resolver, policy_of
from agentfield.process.flags import ConfigError
from agentfield.process.networks import agent_networks
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

NAMES = {
    "agent.example": ["93.184.216.34"],
    "rebound.example": ["169.254.169.254"],
    "inside.example": ["10.1.2.3"],
    "both.example": ["10.1.2.3", "93.184.216.34"],
}


async def look_up(host: str, _port: int) -> list[str]:
    if host not in NAMES:
        raise OSError
    return NAMES[host]


def policy(*words: str) -> AddressPolicy:
    made = policy_of(words)
    return AddressPolicy(
        loopback=made.loopback,
        private=made.private,
        public=made.public,
        networks=made.networks,
        look_up=look_up,
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "agent.example:8001",
        "ftp://agent.example",
        "http://",
        "http://user:secret@agent.example",
        "http://user:secret@agent.example:99999",
        "http://agent.example/?a=b",
        "http://agent.example/#a",
        "http://agent.example:0",
        "http://agent.example:99999",
        "http://agent.example\\@127.0.0.1/",
        "http://agent.example/a b",
        "http://[fe80::1%25eth0]:8001",
        "http://unknown.example",
        # What some software takes for 127.0.0.1.
        "http://2130706433",
        "http://0x7f000001",
        "http://127.1",
        "http://0177.0.0.1.",
    ],
)
async def test_what_is_no_address_of_an_agent_is_refused(url: str) -> None:
    everywhere = policy("loopback", "private", "public")

    with pytest.raises(errors.InvalidArgument, match=r"^Invalid callback URL: ") as caught:
        await everywhere.choose([url])
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",  # noqa: S104 - that it is refused
        "169.254.169.254",
        "100.100.100.200",
        "224.0.0.1",
        "255.255.255.255",
        "rebound.example",
        "[::]",
        "[fe80::1]",
        "[ff02::1]",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
    ],
)
async def test_some_addresses_are_called_in_no_case(host: str) -> None:
    everywhere = policy("loopback", "private", "public", "0.0.0.0/0", "::/0")

    with pytest.raises(errors.InvalidArgument, match="--agent-networks"):
        await everywhere.choose([f"http://{host}:8001"])


@pytest.mark.parametrize(
    ("words", "allowed", "refused"),
    [
        (["loopback"], ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"], ["10.1.2.3", "agent.example"]),
        (["private"], ["10.1.2.3", "192.168.0.9", "[fd12::1]", "inside.example"], ["127.0.0.1"]),
        (
            ["public"],
            ["agent.example", "[2606:4700::1]"],
            ["inside.example", "[::1]", "100.64.0.1", "[fec0::1]", "[64:ff9b:1::a00:1]"],
        ),
        (["10.1.0.0/16"], ["10.1.2.3"], ["10.2.2.3", "127.0.0.1"]),
        (["none"], [], ["127.0.0.1", "10.1.2.3", "agent.example"]),
    ],
)
async def test_networks_are_called_as_far_as_they_are_named(
    words: list[str], allowed: list[str], refused: list[str]
) -> None:
    for host in allowed:
        assert await policy(*words).choose([f"http://{host}:8001/"]) == f"http://{host}:8001"
    for host in refused:
        with pytest.raises(errors.InvalidArgument):
            await policy(*words).choose([f"http://{host}:8001"])


async def test_addresses_of_this_machine_can_be_allowed_alone() -> None:
    own = AddressPolicy(own=True)

    with pytest.raises(errors.InvalidArgument):
        await own.choose(["http://203.0.113.1:8001"])


async def test_the_first_address_that_is_allowed_counts() -> None:
    urls = ["http://inside.example:8001", "http://agent.example:8001", "http://127.0.0.1:8001"]

    assert await policy("public").choose(urls) == urls[1]
    with pytest.raises(errors.InvalidArgument, match=r"inside\.example"):
        await policy("none").choose(urls)


async def test_a_connection_sees_good_addresses_only() -> None:
    resolver = Resolver(policy("public"))

    assert [one["host"] for one in await resolver.resolve("both.example", 80)] == ["93.184.216.34"]
    with pytest.raises(OSError, match=r"rebound\.example"):
        await resolver.resolve("rebound.example", 80)


def test_the_networks_follow_from_where_the_server_listens_unless_they_are_named() -> None:
    assert agent_networks("", ["127.0.0.1:1", "[::1]:2"]) == ("loopback", "own")
    assert agent_networks("", ["127.0.0.1:1", "0.0.0.0:2"]) == ("public",)
    assert agent_networks("private, 10.0.0.0/8", ["127.0.0.1:1"]) == ("private", "10.0.0.0/8")
    with pytest.raises(ConfigError, match="'somewhere' is neither"):
        agent_networks("somewhere", ["127.0.0.1:1"])
