"""The environment and the command line, read once into one value."""

from __future__ import annotations

__all__ = ["Config", "Limits", "read_config", "read_keys"]

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from agentfield.identity import ROLES, Caller, Key, Keyring
from agentfield.process.addresses import is_loopback, split_bind
from agentfield.process.flags import ConfigError, Flags, comma_separated

MAX_DEPTH = 64
REGISTRATION_LEASE = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the server allows."""

    max_payload_bytes: int
    max_depth: int
    execute_timeout: float
    """Seconds, when Execute gives none."""
    execute_async_timeout: float
    """Seconds, when ExecuteAsync gives none."""
    max_timeout: float = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything a server needs to know."""

    grpc_bind: str
    http_bind: str | None
    """None: no gateway in this process."""
    data_dir: Path
    keyring: Keyring | None
    """None: nobody needs a key."""
    insecure: bool
    limits: Limits
    agent_grace: float
    """Seconds that a lost worker may take to come back."""
    registration_lease: float
    """Seconds that a registration is kept without a sign of life."""
    allowed_hosts: tuple[str, ...]
    cors_origins: tuple[str, ...]
    log_level: str
    version: str


def read_config(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    """Read flags and environment variables; a flag wins over the variable of its name.

    Raises ConfigError for a value that makes no sense, and for a server that would listen on other
    than loopback addresses without keys.
    """
    args = _flags(environment).parse_args(arguments)
    keyring = read_keys(Path(args.api_keys)) if args.api_keys else None
    http_bind = None if args.http_bind in {"", "none"} else args.http_bind
    for bind in filter(None, (args.grpc_bind, http_bind)):
        host, _ = split_bind(bind)
        if keyring is None and not args.insecure and not is_loopback(host):
            raise ConfigError(
                f"Listening on {bind} without keys would let anyone in. Give --api-keys FILE, or "
                "--insecure if that is meant."
            )
    return Config(
        grpc_bind=args.grpc_bind,
        http_bind=http_bind,
        data_dir=Path(args.data_dir).expanduser(),
        keyring=keyring,
        insecure=args.insecure,
        limits=Limits(
            max_payload_bytes=_positive(args.max_payload_bytes, "--max-payload-bytes"),
            max_depth=MAX_DEPTH,
            execute_timeout=90.0,
            execute_async_timeout=7200.0,
        ),
        agent_grace=args.agent_grace,
        registration_lease=REGISTRATION_LEASE,
        allowed_hosts=comma_separated(args.allowed_hosts),
        cors_origins=comma_separated(args.cors_origins),
        log_level=args.log_level,
        version=version("agentfield-sessions"),
    )


def _flags(environment: Mapping[str, str]) -> Flags:
    flags = Flags(
        "af server", "The control plane, and the REST gateway in the same process.", environment
    )
    flags.flag("--grpc-bind", "127.0.0.1:8180", "where the control plane listens; port 0 takes any")
    flags.flag("--http-bind", "127.0.0.1:8080", "where the gateway listens; 'none' for no gateway")
    flags.flag("--data-dir", str(_data_dir(environment)), "the folder of the database")
    flags.flag("--api-keys", "", "TOML file of the keys the server accepts")
    flags.flag("--allowed-hosts", "", "further Host names the gateway answers for; * is any")
    flags.flag("--cors-origins", "", "origins whose pages may call the gateway, comma separated")
    flags.flag("--log-level", "info", "debug, info, warning or error")
    flags.number("--max-payload-bytes", 8 * 1024 * 1024, "the largest input or result")
    flags.number("--agent-grace", 20.0, "seconds a lost worker may take to come back")
    flags.switch("--insecure", "listen on other than loopback addresses without keys")
    return flags


def read_keys(path: Path) -> Keyring:
    """Read a key file.

    It is TOML with one ``[[keys]]`` table per key: ``name``, ``roles``, ``sha256`` (the SHA-256 of
    the key in hex) and, for agents, ``nodes`` (patterns of node ids).
    """
    try:
        entries = tomllib.loads(path.read_text())["keys"]
    except OSError as error:
        raise ConfigError(f"The key file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise ConfigError(f"The key file {path} has no [[keys]] tables: {error}.") from None
    keys = [_key(entry, f"{path}, key {number}") for number, entry in enumerate(entries, 1)]
    names = [key.caller.name for key in keys]
    if not keys or len(set(names)) != len(names):
        raise ConfigError(f"The key file {path} must hold keys with names of their own.")
    return Keyring(keys)


def _key(entry: Mapping[str, object], where: str) -> Key:
    name, roles, digest = entry.get("name"), entry.get("roles"), entry.get("sha256")
    nodes = entry.get("nodes", [])
    if not (isinstance(name, str) and name):
        raise ConfigError(f"{where}: 'name' is missing.")
    if not (isinstance(roles, list) and roles and ROLES.issuperset(roles)):
        raise ConfigError(f"{where}: 'roles' is a list of {', '.join(sorted(ROLES))}.")
    if not (isinstance(nodes, list) and all(isinstance(node, str) for node in nodes)):
        raise ConfigError(f"{where}: 'nodes' is a list of patterns.")
    try:
        sha256 = bytes.fromhex(digest) if isinstance(digest, str) else b""
    except ValueError:
        sha256 = b""
    if len(sha256) != 32:
        raise ConfigError(f"{where}: 'sha256' is the SHA-256 of the key, 64 hex digits.")
    caller = Caller(name=name, roles=frozenset(roles), nodes=tuple(nodes))
    return Key(sha256=sha256, caller=caller)


def _positive(value: int, name: str) -> int:
    if value <= 0:
        raise ConfigError(f"{name} must be above zero, not {value}.")
    return value


def _data_dir(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")  # noqa: PTH111
    return Path(base, "agentfield")
