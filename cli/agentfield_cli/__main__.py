"""Run ``af`` and turn whatever happens into an exit code."""

from __future__ import annotations

__all__ = ["main"]

import sys


def main() -> int:
    """Run the command of ``sys.argv`` and return its exit code."""
    try:
        from agentfield_cli.app import app
    except ModuleNotFoundError as missing:
        if missing.name != "typer":
            raise
        print('af needs its extra: pip install "agentfield-sessions[cli]"', file=sys.stderr)
        return 1

    from agentfield.v1.errors import AgentFieldError
    from agentfield_cli.exits import Exit, exit_code, explain

    try:
        app(prog_name="af")
    except SystemExit as leaving:
        # Usage errors leave with 2, which here stands for a wrong request; nothing of ours leaves
        # this way with 2.
        return Exit.USAGE if leaving.code == 2 else int(leaving.code or 0)
    except AgentFieldError as error:
        print(explain(error), file=sys.stderr)
        return exit_code(error)
    except Exception as error:  # noqa: BLE001 - people get a line, not a stack
        print(f"error: af itself failed: {type(error).__name__}: {error}", file=sys.stderr)
        return Exit.FAILED
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
