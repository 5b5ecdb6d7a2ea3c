"""A writer: turns findings into a short report."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydantic import BaseModel, Field

from agentfield import Agent

app = Agent("writer", version="1.0", description="Writes short reports.")


@dataclass(frozen=True)
class Finding:
    topic: str
    fact: str


class Report(BaseModel):
    title: str
    paragraphs: list[str]
    words: int = Field(ge=0)


@app.reasoner
async def compose(title: str, findings: list[Finding]) -> Report:
    """Write one paragraph for each finding, all at once."""
    async with asyncio.TaskGroup() as tasks:
        writing = [tasks.create_task(app.call("writer.phrase", finding=f)) for f in findings]
    paragraphs = [task.result() for task in writing]
    words = sum(len(paragraph.split()) for paragraph in paragraphs)
    return Report(title=title.capitalize(), paragraphs=paragraphs, words=words)


@app.skill(tags=["text"])
async def phrase(finding: Finding) -> str:
    """Make a sentence of a finding, with its source."""
    source = await app.call("research.cite", topic=finding.topic)
    return f"{finding.topic.capitalize()}: {finding.fact} ({source})."


if __name__ == "__main__":
    app.run()
