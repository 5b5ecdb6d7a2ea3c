"""Keys, and what their owners may do and see."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from agentfield.config import read_config, read_keys
from agentfield.identity import ANYONE, Caller, Key, Keyring
from agentfield.ids import new_id
from agentfield.process.addresses import is_loopback
from agentfield.process.flags import ConfigError

pytestmark = pytest.mark.unit

CLIENT = Caller(name="web", roles=frozenset({"client"}))
AGENT = Caller(name="bot", roles=frozenset({"agent"}), nodes=("billing-*", "support"))


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def test_a_key_is_found_by_its_secret_alone() -> None:
    ring = Keyring([Key(sha256=hashlib.sha256(b"s3cret").digest(), caller=CLIENT)])

    assert ring.find("s3cret") is CLIENT
    assert ring.find("s3cre") is None
    assert ring.find("") is None


def test_an_agent_serves_the_nodes_its_patterns_name() -> None:
    assert AGENT.may_serve("billing-eu")
    assert AGENT.may_serve("support")
    assert not AGENT.may_serve("billing")
    assert not CLIENT.may_serve("support")
    assert ANYONE.may_serve("anything")


def test_one_sees_what_one_owns_or_serves() -> None:
    assert CLIENT.may_see(owners=("web", "x"), node_id="n")
    assert not CLIENT.may_see(owners=("x", "y"), node_id="support")
    assert AGENT.may_see(owners=("x", "y"), node_id="support")


def test_ids_sort_by_time_and_do_not_repeat() -> None:
    ids = [new_id("exec") for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert [i[:15] for i in ids] == sorted(i[:15] for i in ids)
    assert all(len(i) == len("exec_") + 26 for i in ids)


def test_a_key_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(
        f'[[keys]]\nname = "bot"\nroles = ["agent"]\nnodes = ["a*"]\nsha256 = "{digest("k")}"\n'
    )

    caller = read_keys(path).find("k")

    assert caller == Caller(name="bot", roles=frozenset({"agent"}), nodes=("a*",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must hold \\[\\[keys\\]\\]"),
        ("x = ", "not TOML"),
        ('keys = "x"', "must hold \\[\\[keys\\]\\]"),
        ("keys = [1]", "must hold \\[\\[keys\\]\\]"),
        ('[keys]\nname = "a"', "must hold \\[\\[keys\\]\\]"),
        ('[[keys]]\nname = "a"\nnodez = []', "'nodez' is not a field"),
        ('[[keys]]\nname = "a"\nroles = [["admin"]]', "'roles' is a list of"),
        (f'[[keys]]\nname = "a"\nroles = ["agent"]\nsha256 = "{"0" * 64}"', "needs 'nodes'"),
        (
            (
                f'[[keys]]\nname = "a"\nroles = ["admin"]\nsha256 = "{"0" * 64}"\n'
                f'[[keys]]\nname = "b"\nroles = ["admin"]\nsha256 = "{"0" * 64}"'
            ),
            "hashes of their own",
        ),
        ('[[keys]]\nroles = ["admin"]', "'name' is missing"),
        ('[[keys]]\nname = "a"\nroles = ["king"]', "'roles' is a list of"),
        ('[[keys]]\nname = "a"\nroles = ["admin"]\nsha256 = "zz"', "64 hex digits"),
        (
            f'[[keys]]\nname = "a"\nroles = ["admin"]\nsha256 = "{"0" * 64}"\nnodes = "n"',
            "list of patterns",
        ),
        (
            f'[[keys]]\nname = "a"\nroles = ["admin"]\nsha256 = "{"0" * 64}"\n' * 2,
            "of their own",
        ),
    ],
)
def test_a_wrong_key_file_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=says):
        read_keys(path)


@pytest.mark.parametrize("bind", ["0.0.0.0:8180", "192.168.1.4:8180", "[::]:8180", "example:1"])
def test_listening_beyond_this_machine_needs_keys_or_the_word_for_it(bind: str) -> None:
    with pytest.raises(ConfigError, match="--insecure"):
        read_config(["--grpc-bind", bind], {})
    with pytest.raises(ConfigError, match="--insecure"):
        read_config(["--http-bind", bind], {})

    assert read_config(["--grpc-bind", bind, "--insecure"], {}).grpc_bind == bind


def test_flags_win_over_the_environment_and_both_over_defaults() -> None:
    environment = {"AGENTFIELD_GRPC_BIND": "127.0.0.1:1", "AGENTFIELD_AGENT_GRACE": "3"}

    config = read_config(["--grpc-bind", "127.0.0.1:2", "--http-bind", "none"], environment)

    assert (config.grpc_bind, config.http_bind, config.agent_grace) == ("127.0.0.1:2", None, 3.0)
    assert config.limits.max_payload_bytes == 8 * 1024 * 1024


def test_an_address_without_a_port_is_refused() -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        read_config(["--grpc-bind", "localhost"], {})


@pytest.mark.parametrize("value", ["nan", "inf", "0", "-5", "many", "1e9"])
def test_numbers_that_make_no_sense_are_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="agent-grace"):
        read_config(["--agent-grace", value], {})
    with pytest.raises(ConfigError, match="max-payload-bytes"):
        read_config(["--max-payload-bytes", value], {})


def test_loopback_is_this_machine() -> None:
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.8.8.8", "::1"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "host"]))  # noqa: S104
