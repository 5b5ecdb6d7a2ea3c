import asyncio

from agentfield import Client


async def main() -> None:
    async with Client() as client:
        print(await client.call("hello.greet", name="Ada"))

        handle = await client.submit("hello.greet_all", names=["Ada", "Grace"])
        async for execution in handle.watch():
            print(execution.status)
        print(await handle.result())

        workflow = await client.workflow(handle.run_id)
        print(workflow.total_executions)


asyncio.run(main())
