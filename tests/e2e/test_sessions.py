"""Calls over real WebRTC through real processes: who speaks, which tools run, what remains."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.storage import Storage
from support.voice import VoiceWorld, is_hang_up, voice_world

from agentfield import Client
from agentfield.simulator import Call, Heard, Reply, Script
from agentfield.simulator.conformance import violations
from agentfield.testing import VoiceCall, calling

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples"
LOOK_UP = Call(name="look_up", arguments={"thing": "hat"})


@pytest.fixture(name="world")
async def _world(tmp_path: Path, storage: Storage) -> AsyncIterator[VoiceWorld]:
    async with voice_world(tmp_path, storage=storage) as processes:
        yield processes
        assert violations(processes.simulator.journal.entries()) == []


def spoken(call: VoiceCall) -> list[str]:
    """Return what the agent has said so far, whoever asked it to."""
    return [event.data["text"] for event in call.events if event.type == "agent.said"]


@pytest.mark.parametrize("spoken_before_it_runs", [False, True])
async def test_the_example_answers_its_turn_once_and_then_leaves_it_to_the_model(
    world: VoiceWorld,
    spoken_before_it_runs: bool,
) -> None:
    world.simulator.script = Script(replies=[Reply(when="thank", says="You are welcome.")])
    await world.server(grace=20.0)
    await world.processes.program(str(EXAMPLES / "orders_agent.py"))
    agent = await world.processes.program(str(EXAMPLES / "voice_agent.py"))
    async with Client(world.grpc_address) as client:
        await until_connected(client, "orders", "support")

    if spoken_before_it_runs:
        agent.signal(signal.SIGSTOP)
    async with calling(world, "support.voice") as call:
        call.say("Where is my hat?")
        if spoken_before_it_runs:
            await call.until("turn.transcribed")
            agent.signal(signal.SIGCONT)
        await call.until("agent.heard", outcome="completed")
        await call.until("handler.returned")
        assert spoken(call) == ["I looked: it left the warehouse today."]
        call.say("Well, thank you.")
        await call.until("agent.heard", outcome="completed")
        assert spoken(call)[1:] == ["You are welcome."]
        await call.hang_up()

        assert await call.turns() == [
            ("user", "Where is my hat?"),
            ("agent", "I looked: it left the warehouse today."),
            ("user", "Well, thank you."),
            ("agent", "You are welcome."),
        ]
        step = ("support.resolve_voice_turn", ("orders.find",))
        assert (await call.workflow()).shape == ("support.voice", step)
        asked = [event.data["kind"] for event in call.events if event.type == "agent.asked"]
        assert asked == ["say", "answer"]


async def until_connected(client: Client, *node_ids: str) -> None:
    """Wait until nodes have a connected worker; nothing tells of it but the list."""
    async with asyncio.timeout(20):
        while {node.node_id for node in await client.nodes() if node.connected} < set(node_ids):
            await asyncio.sleep(0.02)


async def test_a_turn_that_was_committed_before_the_handler_asked_is_answered_once(
    world: VoiceWorld,
) -> None:
    await world.desk()
    async with calling(world, "desk.late") as call:
        call.say("Is anybody there?")
        await call.until("turn.transcribed")
        assert spoken(call) == []
        world.processes.gate.touch()
        await call.until("agent.heard", text="Late: Is anybody there?")
        await call.until("handler.returned")
        call.say("Good.")
        await call.until("agent.heard", outcome="completed")
        assert len(spoken(call)) == 2


async def test_the_models_tool_runs_here_as_a_child_of_the_session_and_its_calls_below_it(
    world: VoiceWorld,
) -> None:
    replies = [
        Reply(when="hats", calls=[LOOK_UP]),
        Reply(when="spoken_response", says="Seven are left."),
    ]
    await world.desk(script=Script(replies=replies))
    async with calling(world, "desk.model") as call:
        call.say("How many hats?")
        await call.until("agent.heard", text="Seven are left.")
        await call.hang_up()

        (tool,) = await call.tools()
        assert (tool.name, tool.target, tool.status) == ("look_up", "desk.look_up", "succeeded")
        workflow = await call.workflow()
        assert workflow.shape == ("desk.model", ("desk.look_up", ("stock.check",)))
        async with Client(world.grpc_address) as client:
            found = [e async for e in client.executions(session_id=call.session_id)]
        assert {execution.run_id for execution in found} == {call.run_id}
        assert len(found) == 3
        roots = [execution for execution in found if not execution.parent_execution_id]
        assert [root.execution_id for root in roots] == [call.started["root_execution_id"]]


async def test_a_tool_that_is_not_listed_is_refused_from_every_side(world: VoiceWorld) -> None:
    replies = [
        Reply(when="secret", calls=[Call(name="secret")]),
        Reply(when="TOOL_NOT_ALLOWED", says="I may not."),
    ]
    await world.desk(script=Script(replies=replies))
    async with calling(world, "desk.model") as call:
        call.say("Tell me the secret.")
        await call.until("tool.refused", source="model", reason="TOOL_NOT_ALLOWED")
        output = await call.until("tool.output")
        assert json.loads(output.data["output"])["error"]["reason"] == "TOOL_NOT_ALLOWED"
        await call.until("tool.delivered")
        await call.until("agent.heard", text="I may not.")

        for family in ("session-instances", "sessions"):
            path = f"/api/v1/{family}/{call.session_id}/tools/desk.secret"
            status, told = await world.rest("POST", path, json={})
            assert (status, told["reason"]) == (403, "TOOL_NOT_ALLOWED")
            body = {"target": "desk.secret"}
            status, told = await world.rest("POST", path.replace("desk.secret", "x"), json=body)
            assert (status, told["reason"]) == (403, "TOOL_NOT_ALLOWED")
        async with Client(world.grpc_address) as client:
            with pytest.raises(Exception, match="is not one of the tools"):
                await client.sessions.invoke_tool(call.session_id, "secret")
        code, out, err = await world.af("session", "tool", call.session_id, "desk.secret")
        assert (code, out) == (3, "")
        assert "is not one of the tools" in err
        await call.hang_up()

        refused = [event for event in call.events if event.type == "tool.refused"]
        assert [event.data["source"] for event in refused] == ["model", *["client"] * 6]
        assert not [each for each in world.notes() if "ran" in each]
        assert (await call.workflow()).shape == ("desk.model",)


async def test_two_calls_in_one_response_get_two_outputs_and_one_continuation(
    world: VoiceWorld,
) -> None:
    calls = [LOOK_UP, Call(name="slowly", arguments={"seconds": 0.3})]
    replies = [Reply(when="both", calls=calls), Reply(when="done", says="Both are done.")]
    await world.desk(script=Script(replies=replies))
    async with calling(world, "desk.model") as call:
        call.say("Do both.")
        await call.until("agent.heard", text="Both are done.")
        await call.hang_up()

        outputs = [event.data["call_id"] for event in call.events if event.type == "tool.output"]
        asked = [event.data["kind"] for event in call.events if event.type == "agent.asked"]
        assert len(set(outputs)) == len(outputs) == 2
        assert asked == ["continue"]
        assert sorted(tool.target for tool in await call.tools()) == ["desk.look_up", "desk.slowly"]


async def test_barge_in_ends_what_the_handler_says_with_an_estimate_of_what_was_heard(
    world: VoiceWorld,
) -> None:
    await world.desk()
    async with calling(world, "desk.talker") as call:
        call.speak()
        await call.until("agent.said")
        await call.hears_voice()
        call.speak(lasts_ms=800)
        await call.until("agent.interrupted")
        heard = await call.until("agent.heard", outcome="interrupted")

    noted = await world.until_noted(outcome="interrupted")
    assert noted["estimated"] is True
    assert noted["heard"] == heard.data["text"]
    assert noted["all"].startswith(noted["heard"])
    assert 0 < len(noted["heard"]) < len(noted["all"])


async def test_a_transcript_that_never_comes_does_not_hold_the_handler_up(
    world: VoiceWorld,
) -> None:
    await world.desk(script=Script(heard=[Heard(text="Hm.", transcript="never")]))
    async with calling(world, "desk.patient") as call:
        call.speak()
        await call.until("turn.timed_out")
        assert await world.until_noted(text="") == {"text": "", "transcript": None}


async def test_a_watcher_that_reconnects_misses_nothing_and_sees_nothing_twice(
    world: VoiceWorld,
) -> None:
    await world.desk()
    seen: list[int] = []

    async def watch_a_little(session_id: str, most: int) -> None:
        """Read events of the stream by its own rules, and break off."""
        import aiohttp

        headers = {"Last-Event-ID": str(seen[-1])} if seen else {}
        path = f"/api/v1/session-instances/{session_id}/events"
        url = f"http://{world.http_address}{path}"
        async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as stream:
            assert stream.status in {200, 204}
            count = 0
            async for line in stream.content:
                if line.startswith(b"id: "):
                    seen.append(int(line[4:]))
                    count += 1
                if count >= most:
                    return

    async with calling(world, "desk.echo") as call:
        await watch_a_little(call.session_id, 2)
        call.say("One.")
        await call.until("agent.heard", text="You said: One.")
        await watch_a_little(call.session_id, 5)
        call.say("Two.")
        await watch_a_little(call.session_id, 3)
        await call.until("agent.heard", text="You said: Two.")
        await call.hang_up()
        await watch_a_little(call.session_id, 10_000)
        before = list(seen)
        await watch_a_little(call.session_id, 10_000)

        assert seen == before == list(range(1, len(seen) + 1))
        assert len(seen) == (await call.session()).last_sequence


async def test_each_end_closes_one_tree_and_the_call_is_hung_up(world: VoiceWorld) -> None:
    await world.desk()
    async with calling(world, "desk.closer") as call:
        call.say("Goodbye then.")
        assert await call.ended() == "agent_ended"

        await world.until_noted(ended=True)
        await world.hung_up()
        session = await call.session()
        assert session.end_detail == "all is said"
        assert (await call.workflow()).shape == ("desk.closer",)
        assert (await call.workflow()).status == "succeeded"


async def test_a_handler_that_raises_ends_its_session_and_the_execution_says_why(
    world: VoiceWorld,
) -> None:
    await world.desk()
    async with calling(world, "desk.broken") as call:
        call.say("What now?")
        assert await call.ended() == "handler_failed"
    await world.hung_up()
    async with Client(world.grpc_address) as client:
        root = await client.get(call.started["root_execution_id"])
    assert root.status == "failed"
    assert "no idea what to say" in root.error


async def test_after_the_end_the_handler_may_still_call_and_its_conversation_is_saved(
    world: VoiceWorld,
) -> None:
    await world.desk()
    async with calling(world, "desk.echo") as call:
        call.say("Remember this.")
        await call.until("agent.heard", outcome="completed")
        await call.hang_up()

        saved = ["Remember this.", "You said: Remember this."]
        await world.until_noted(saved=saved)
        await world.until_noted(saved=2)
        assert (await call.workflow()).shape == ("desk.echo", ("desk.save",))


@pytest.mark.any_database
async def test_everything_can_be_read_back_and_removed_from_the_command_line(
    world: VoiceWorld,
) -> None:
    await world.desk()
    async with calling(world, "desk.echo") as call:
        call.say("Hello.")
        await call.until("agent.heard", outcome="completed")
    await world.until_noted(saved=2)

    code, out, _ = await world.af("session", "show", call.session_id, "-o", "json")
    shown = json.loads(out)
    assert (code, shown["state"], shown["end_reason"]) == (0, "ended", "client_hangup")
    assert [turn["text"] for turn in shown["turns"]] == ["Hello.", "You said: Hello."]
    code, out, _ = await world.af("session", "watch", call.session_id)
    assert [json.loads(line)["sequence"] for line in out.splitlines()] == list(
        range(1, shown["last_sequence"] + 1)
    )
    code, out, _ = await world.af("session", "workflows", call.session_id, "--dag")
    assert "desk.echo" in out
    assert "desk.save" in out
    code, out, _ = await world.af("session", "list", "-o", "json")
    assert call.session_id in out
    assert (await world.af("session", "delete", call.session_id))[0] == 0
    code, out, _ = await world.af("session", "show", call.session_id, "-o", "json")
    assert "Hello." not in out
    assert json.loads(out)["deleted_at"]


@pytest.mark.any_database
async def test_the_command_line_starts_offers_and_ends(world: VoiceWorld) -> None:
    from agentfield.simulator.caller import calling as placing

    await world.desk()
    code, out, _ = await world.af("session", "start", "desk.model", "-o", "json")
    session_id = json.loads(out)["session_id"]
    async with placing() as caller:
        offer = Path(world.processes.journal.parent, "offer.sdp")
        offer.write_bytes((await caller.offer()).encode())
        code, answer, err = await world.af("session", "offer", session_id, "--sdp", f"@{offer}")
        assert code == 0, err
        await caller.take(answer)
        await caller.hears_silence()
        repeated = await world.af("session", "offer", session_id, "--sdp", f"@{offer}")
        assert repeated == (0, answer, "")
        asked = ("tool", session_id, "look_up", "--in", '{"thing": "hat"}', "--wait")
        code, out, err = await world.af("session", *asked)
        assert code == 0, err
        assert "There are seven hats left." in out
        code, out, _ = await world.af("session", "end", session_id, "--detail", "enough")
        assert code == 0
    await world.hung_up()
    assert sum(map(is_hang_up, world.simulator.journal.entries())) == 1


@pytest.mark.any_database
async def test_no_key_and_no_word_is_in_the_logs(world: VoiceWorld) -> None:
    from support.voice import KEY

    server = await world.server("--log-level=debug")
    agents = await world.agents("stock.py", "desk.py")
    async with calling(world, "desk.echo") as call:
        call.say("Eavesdroppers welcome.")
        await call.until("agent.heard", outcome="completed")
    await world.until_noted(saved=2)

    for process in (server, *agents):
        log = process.log.read_text()
        assert log or process is not server
        for secret in (KEY, "Eavesdroppers", call.started["session_token"]):
            assert secret not in log
    assert os.environ["OPENAI_API_KEY"] == KEY
