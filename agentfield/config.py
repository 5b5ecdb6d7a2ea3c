"""The environment and the command line, read once into one value."""

from __future__ import annotations

__all__ = ["Config", "Limits", "read_config", "read_keys"]

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from agentfield.identity import ROLES, Caller, Key, Keyring
from agentfield.process.addresses import is_loopback, split_bind
from agentfield.process.flags import (
    ConfigError,
    Flags,
    comma_separated,
    read_origins,
)
from agentfield.process.networks import add_network_flags, agent_networks
from agentfield.process.tls import TlsFiles, add_tls_flags, tls_files

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
    metrics_bind: str | None
    """None: the gateway serves the metrics, or nobody."""
    tls: TlsFiles | None
    """Of both addresses. None: in the clear."""
    data_dir: Path
    database_url: str = field(repr=False)
    """Of a PostgreSQL database; empty: SQLite in the data folder."""
    keyring: Keyring | None
    """None: nobody needs a key."""
    limits: Limits
    agent_grace: float
    """Seconds that a lost worker may take to come back."""
    presence_grace: float
    """Seconds that the last watch of a session's client may be away."""
    rate_limit: int
    """Requests per second that one caller may make for long."""
    max_sessions_per_caller: int
    max_sessions_per_target: int
    retention: float
    """Seconds that the words of an ended session are kept."""
    environment: Mapping[str, str] = field(repr=False)
    """What providers' keys and addresses are read from."""
    registration_lease: float
    """Seconds that a registration is kept without a sign of life."""
    heartbeat_timeout: float
    """Seconds without a heartbeat after which an agent that is called over HTTP counts as gone."""
    agent_networks: tuple[str, ...]
    """Where agents may be called: loopback, own, private, public, none, or networks."""
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
    binds = [args.grpc_bind, http_bind] if http_bind else [args.grpc_bind]
    if keyring is None and not args.insecure:
        _refuse_others(binds)
    return Config(
        grpc_bind=args.grpc_bind,
        http_bind=http_bind,
        metrics_bind=args.metrics_bind or None,
        tls=tls_files(args, client_ca=args.tls_client_ca),
        data_dir=Path(args.data_dir).expanduser(),
        database_url=_checked_url(args.database_url),
        keyring=keyring,
        limits=Limits(
            max_payload_bytes=args.max_payload_bytes,
            max_depth=MAX_DEPTH,
            execute_timeout=90.0,
            execute_async_timeout=7200.0,
        ),
        agent_grace=args.agent_grace,
        presence_grace=args.presence_grace,
        rate_limit=args.rate_limit,
        max_sessions_per_caller=args.max_sessions_per_caller,
        max_sessions_per_target=args.max_sessions_per_target,
        retention=args.retention * 86_400,
        environment=environment,
        registration_lease=REGISTRATION_LEASE,
        heartbeat_timeout=args.heartbeat_timeout,
        agent_networks=agent_networks(
            args.agent_networks, filter(None, (args.grpc_bind, http_bind))
        ),
        allowed_hosts=comma_separated(args.allowed_hosts),
        cors_origins=read_origins(args.cors_origins),
        log_level=args.log_level,
        version=version("agentfield-sessions"),
    )


def _refuse_others(binds: Sequence[str]) -> None:
    for bind in binds:
        if not is_loopback(split_bind(bind)[0]):
            raise ConfigError(
                f"Listening on {bind} without keys would let anyone in. Give --api-keys FILE, or "
                "--insecure if that is meant."
            )


def _flags(environment: Mapping[str, str]) -> Flags:
    flags = Flags(
        "af server", "The control plane, and the REST gateway in the same process.", environment
    )
    flags.epilog = (
        "Providers are reached with what the environment says: OPENAI_API_KEY is the key of "
        "provider=openai, and OPENAI_BASE_URL its address, if not the public one."
    )
    _add_address_flags(flags)
    _add_storage_flags(flags, environment)
    flags.flag("--api-keys", "", "FILE", "TOML file of the keys the server accepts; none: no keys")
    flags.flag(
        "--allowed-hosts", "", "HOSTS", "further Host names to answer for, comma separated; *: any"
    )
    flags.origins()
    flags.flag("--log-level", "info", "LEVEL", "debug, info, warning or error")
    flags.number(
        "--max-payload-bytes",
        8 * 1024 * 1024,
        "BYTES",
        "the largest input or result",
        most=256 * 1024 * 1024,
    )
    flags.number(
        "--agent-grace", 20.0, "SECONDS", "how long a lost worker may stay away", most=86_400
    )
    flags.number(
        "--rate-limit",
        1000,
        "COUNT",
        "requests per second of one caller, who may save up ten seconds' worth",
        most=1_000_000,
    )
    add_network_flags(flags)
    _add_session_flags(flags)
    flags.switch("--insecure", "listen on other than loopback addresses without keys")
    return flags


def _add_address_flags(flags: Flags) -> None:
    flags.flag("--grpc-bind", "127.0.0.1:8180", "HOST:PORT", "where the control plane listens")
    flags.flag(
        "--http-bind",
        "127.0.0.1:8080",
        "HOST:PORT",
        "where the gateway listens; 'none': no gateway",
    )
    flags.flag(
        "--metrics-bind", "", "HOST:PORT", "where metrics are served, if not by a gateway in here"
    )
    add_tls_flags(flags)
    flags.flag(
        "--tls-client-ca",
        "",
        "FILE",
        "PEM file of the CA whose certificates callers over gRPC must show; none: they show none",
    )


def _add_storage_flags(flags: Flags, environment: Mapping[str, str]) -> None:
    flags.flag("--data-dir", str(_data_dir(environment)), "FOLDER", "where SQLite's database is")
    flags.flag(
        "--database-url",
        "",
        "URL",
        "PostgreSQL in place of SQLite: postgresql://USER:PASSWORD@HOST:PORT/NAME",
    )


def _add_session_flags(flags: Flags) -> None:
    flags.number(
        "--presence-grace",
        45.0,
        "SECONDS",
        "how long the last watch of a session's client may be away",
        most=86_400,
    )
    flags.number(
        "--max-sessions-per-caller", 1000, "COUNT", "sessions of one key at once", most=1_000_000
    )
    flags.number(
        "--max-sessions-per-target", 1000, "COUNT", "sessions of one target at once", most=1_000_000
    )
    flags.number(
        "--retention", 30.0, "DAYS", "how long the words of ended sessions are kept", most=36_500
    )


def read_keys(path: Path) -> Keyring:
    """Read a key file.

    It is TOML with one ``[[keys]]`` table per key: ``name``, ``roles``, ``sha256`` (the SHA-256 of
    the key in hex) and, for agents, ``nodes`` (patterns of node ids).
    """
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("keys")
    except OSError as error:
        raise ConfigError(f"The key file {path} cannot be read: {error.strerror}.") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise ConfigError(f"The key file {path} is not TOML: {error}.") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"The key file {path} must hold [[keys]] tables.")
    keys = [_key(entry, f"{path}, key {number}") for number, entry in enumerate(entries, 1)]
    names, digests = {key.caller.name for key in keys}, {key.sha256 for key in keys}
    if not keys or len(names) < len(keys) or len(digests) < len(keys):
        raise ConfigError(f"The key file {path} must hold keys with names and hashes of their own.")
    return Keyring(keys)


def _checked_url(url: str) -> str:
    if url and not url.startswith(("postgresql://", "postgres://")):
        # It is not shown: it may have a password in it.
        raise ConfigError("--database-url must be postgresql://USER:PASSWORD@HOST:PORT/NAME.")
    return url


def _key(entry: Mapping[str, object], where: str) -> Key:
    if unknown := entry.keys() - {"name", "roles", "sha256", "nodes"}:
        raise ConfigError(f"{where}: '{min(unknown)}' is not a field of a key.")
    name, roles, digest = entry.get("name"), entry.get("roles"), entry.get("sha256")
    nodes = entry.get("nodes", [])
    if not (isinstance(name, str) and name):
        raise ConfigError(f"{where}: 'name' is missing.")
    if not (isinstance(roles, list) and roles and all(role in tuple(ROLES) for role in roles)):
        raise ConfigError(f"{where}: 'roles' is a list of {', '.join(sorted(ROLES))}.")
    if not (isinstance(nodes, list) and all(isinstance(node, str) for node in nodes)):
        raise ConfigError(f"{where}: 'nodes' is a list of patterns.")
    if "agent" in roles and not nodes:
        raise ConfigError(f"{where}: an agent's key needs 'nodes', patterns of what it serves.")
    try:
        sha256 = bytes.fromhex(digest) if isinstance(digest, str) else b""
    except ValueError:
        sha256 = b""
    if len(sha256) != 32:
        raise ConfigError(f"{where}: 'sha256' is the SHA-256 of the key, 64 hex digits.")
    caller = Caller(name=name, roles=frozenset(roles), nodes=tuple(nodes))
    return Key(sha256=sha256, caller=caller)


def _data_dir(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")  # noqa: PTH111
    return Path(base, "agentfield")
