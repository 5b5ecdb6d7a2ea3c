"""A researcher: looks topics up and has the writer report on them."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel, Field

from agentfield import Agent

app = Agent("research", version="1.0", description="Finds things out.")

LIBRARY = {
    "bees": "a hive keeps itself at 35 degrees",
    "owls": "an owl flies without a sound",
    "moss": "moss has no roots",
}


class Question(BaseModel):
    text: str
    topics: list[str] = Field(min_length=1)


@app.reasoner
async def investigate(question: Question) -> dict[str, Any]:
    """Look up every topic of a question at once, then have a report written."""
    async with asyncio.TaskGroup() as tasks:
        looking = [tasks.create_task(app.call("research.look_up", t)) for t in question.topics]
    findings = [task.result() for task in looking]
    report: dict[str, Any] = await app.call("writer.compose", question.text, findings)
    return report


@app.skill(idempotent=True)
def look_up(topic: str) -> dict[str, str]:
    """Find one fact about a topic."""
    return {"topic": topic, "fact": LIBRARY.get(topic, "nobody knows anything about it")}


@app.skill(idempotent=True)
def cite(topic: str, style: str = "p. {page}") -> str:
    """Say where in the library a topic is found."""
    return style.format(page=1 + sorted(LIBRARY).index(topic))


if __name__ == "__main__":
    app.run()
