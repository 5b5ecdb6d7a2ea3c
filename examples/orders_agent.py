"""Knows where orders are."""

from __future__ import annotations

from agentfield import Agent

app = Agent("orders")

ORDERS = {"hat": "it left the warehouse today", "lamp": "it comes on Tuesday"}


@app.skill(idempotent=True)
def find(words: str) -> str:
    """Find out where the thing is that these words name."""
    named = (state for thing, state in ORDERS.items() if thing in words.lower())
    return next(named, "nobody here knows of it")


if __name__ == "__main__":
    app.run()
