"""What the documents say is there is there, and modules stay short."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("agentfield", "gateway", "cli", "sdk/python")


def python_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.py"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    ours = [ROOT / name for name in listed if name.startswith(PACKAGES)]
    return [path for path in ours if path.exists() and path.parent.name != "v1"]


def test_every_path_that_a_document_names_exists() -> None:
    for document in DOCUMENTS:
        text = document.read_text()
        links = re.findall(r"\]\(([^)#]+)\)", text)
        for link in links:
            assert (document.parent / link).exists(), f"{document.name} links to {link}"
        # Code spans that are written like files of this repository.
        spans = re.findall(r"`([\w./-]+/[\w./-]+\.(?:py|sql|proto|md|toml))`", text)
        for span in spans:
            assert (ROOT / span).exists(), f"{document.name} names {span}"


def test_the_rooms_of_the_architecture_exist() -> None:
    rooms = re.findall(
        r"^\| `([^`]+)` \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE
    )

    assert len(rooms) > 10
    assert [room for room in rooms if not (ROOT / room).exists()] == []


@pytest.mark.parametrize(
    ("document", "examples"),
    [
        ("README.md", ["examples/voice_agent.py", "examples/hello.py"]),
        ("docs/python.md", ["examples/hello_client.py"]),
    ],
)
def test_python_in_the_documents_is_a_file_that_runs(document: str, examples: list[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)

    assert blocks == [(ROOT / example).read_text() for example in examples]


def test_modules_and_functions_stay_short() -> None:
    too_long = []
    for path in python_files():
        source = path.read_text()
        if source.count("\n") > 300:
            too_long.append(path.name)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                # The composition root lists everything once.
                if lines > 45 and node.name != "serving":
                    too_long.append(f"{path.name}:{node.name}")

    assert too_long == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_example_of_a_voice_agent_stays_as_it_is_promised() -> None:
    promised = """
@app.session("voice", provider="openai", model="gpt-realtime-2", transport="webrtc",
             modalities=["audio", "text"], voice="marin", tools=["support.resolve_voice_turn"])
async def voice(session):
    turn = await session.input()
    result = await session.call("support.resolve_voice_turn", turn=turn)
    await session.say(result["spoken_response"])
"""
    assert promised in (ROOT / "examples/voice_agent.py").read_text()
