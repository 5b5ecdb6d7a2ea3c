"""What the documents say is there is there, and modules stay short."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
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


def test_anything_is_caught_only_where_it_is_said_to_be() -> None:
    page = (ROOT / "docs/decisions/0032-where-anything-may-be-caught.md").read_text()
    said = {
        (module, place)
        for module, places in re.findall(r"^\| `([^`]+)` \| (.+?) \|", page, re.MULTILINE)
        for place in re.findall(r"`([^`]+)`", places)
    }
    found = {
        (str(path.relative_to(ROOT)), place)
        for path in python_files()
        for place, function in functions_of(ast.parse(path.read_text()))
        for node in ast.walk(function)
        if isinstance(node, ast.ExceptHandler) and catches_anything(node)
    }

    assert found == said


def functions_of(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Yield functions and methods with their names; what is outside of any has no name."""
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{getattr(part, 'name', '')}", part) for part in node.body)
        else:
            yield getattr(node, "name", ""), node


def catches_anything(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or ast.unparse(kind).rpartition(".")[2] in {"Exception", "BaseException"}
        for kind in kinds
    )


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
