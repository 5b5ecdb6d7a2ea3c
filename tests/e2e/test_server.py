"""Starting and stopping the server, and what it says when it cannot start."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.processes import World

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--grpc-bind={grpc}"], 3, "cannot listen on"),
        (["--grpc-bind=127.0.0.1:0", "--http-bind={grpc}"], 3, "address already in use"),
        (["--agent-grace=nan"], 1, "--agent-grace"),
        (["--grpc-bind=0.0.0.0:0"], 1, "--insecure"),
        (["--nonsense"], 1, "see --help"),
        (["--api-keys=/nowhere/keys.toml"], 1, "cannot be read"),
    ],
)
async def test_a_server_that_cannot_start_says_why_in_one_line(
    world: World, tmp_path: Path, flags: list[str], code: int, says: str
) -> None:
    await world.server()
    given = [flag.format(grpc=world.grpc) for flag in flags]
    process = await world.program(
        "-m", "agentfield", "--http-bind=none", f"--data-dir={tmp_path / 'other'}", *given
    )

    assert await process.exit_code() == code
    errors = [line for line in process.log.read_text().splitlines() if "error: " in line]
    assert len(errors) == 1
    assert says in errors[0]
    assert "Traceback" not in process.log.read_text()


async def test_a_data_folder_in_use_is_said_to_be_so(world: World, tmp_path: Path) -> None:
    await world.server()
    process = await world.program(
        "-m",
        "agentfield",
        "--grpc-bind=127.0.0.1:0",
        "--http-bind=none",
        f"--data-dir={tmp_path / 'data'}",
    )

    assert await process.exit_code() == 3
    assert "--data-dir" in process.log.read_text()
