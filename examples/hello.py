from agentfield import Agent

app = Agent("hello")


@app.skill()
def greet(name: str, times: int = 1) -> list[str]:
    """Greet somebody."""
    return [f"Hello {name}!"] * times


@app.reasoner()
async def greet_all(names: list[str]) -> list[str]:
    """Greet everybody, each by a call of its own."""
    return [line for name in names for line in await app.call("hello.greet", name=name)]


if __name__ == "__main__":
    app.run()
