import assert from "node:assert/strict";
import { test } from "node:test";
import { announcements } from "../src/log/spoken";
import { NOTHING, speaks, timeline, type Entry, type View } from "../src/log/view";
import { event, RECORDED, recorded, viewOf } from "./recorded";

function told(entry: Entry): string {
  switch (entry.kind) {
    case "turn":
      return `${entry.what.role}: ${entry.what.text ?? entry.what.fullText ?? entry.what.partial}`;
    case "tool":
      return `${entry.what.name} ${entry.what.status}`;
    case "note":
      return `(${entry.what.text})`;
  }
}

function turnsOf(view: View) {
  return timeline(view).flatMap((entry) => (entry.kind === "turn" ? [entry.what] : []));
}

for (const { name, events, turns } of RECORDED) {
  test(`${name}: what was said is what the server says was said`, () => {
    const found = turnsOf(viewOf(events)).filter(({ text }) => text !== "");

    assert.deepEqual(
      found.map(({ itemId, role, text, interrupted, estimated }) => ({
        item_id: itemId,
        role,
        text,
        interrupted,
        estimated,
      })),
      turns.map(({ full_text: _, ...turn }) => turn),
    );
  });

  test(`${name}: events that come twice change nothing`, () => {
    const once = viewOf(events);
    const cut = Math.floor(events.length / 2);
    const twice = viewOf(events.slice(cut - 5), viewOf(events.slice(0, cut)));

    assert.deepEqual(twice, once);
    assert.equal(once.state, "ended");
  });

  test(`${name}: nobody speaks after the end`, () => {
    assert.equal(speaks(viewOf(events)), "nobody");
  });
}

test("tools stand where the model called them, notes where they happened", () => {
  const entries = timeline(viewOf(recorded("tools-and-interruption").events)).map(told);

  assert.deepEqual(entries.slice(0, 4), [
    "user: How many hats?",
    "agent: One moment.",
    "look_up succeeded",
    "agent: Seven hats are left.",
  ]);
  assert.ok(entries.includes("fail failed"));
  assert.ok(entries.includes("secret refused"));
  assert.equal(entries.filter((entry) => entry === "look_up succeeded").length, 2);
});

test("a lost link, what was not recorded, and a handler's return are told", () => {
  const entries = timeline(viewOf(recorded("handler").events)).map(told);

  assert.deepEqual(entries.filter((entry) => entry.startsWith("(")), [
    "(The handler has returned: from now on the model leads.)",
    "(The server lost its link to the provider. The call itself goes on.)",
    "(The server is linked to the call again. What was said meanwhile is not recorded.)",
  ]);
});

test("a handler that fails is told with its error, and ends the session", () => {
  const view = viewOf(recorded("handler-fails").events);

  assert.equal(view.endReason, "handler_failed");
  const last = timeline(view).map(told).at(-1);
  assert.equal(last, "(The handler failed. LookupError: no idea what to say)");
});

test("words are shown as they come, then the whole in their place", () => {
  const item = { item_id: "item_1" };
  const parts = [
    event("turn.committed", item),
    event("turn.delta", { ...item, delta: "Hel" }, 0),
    event("turn.delta", { ...item, delta: "lo" }, 0),
  ];

  assert.deepEqual(timeline(viewOf(parts)).map(told), ["user: Hello"]);
  const whole = [...parts, event("turn.transcribed", { ...item, text: "Hello!" })];
  assert.deepEqual(timeline(viewOf(whole)).map(told), ["user: Hello!"]);
});

test("words that came while nobody watched leave a mark", () => {
  const item = { item_id: "item_1", response_id: "resp_1" };
  const view = viewOf([
    event("agent.delta", { ...item, delta: "It is" }, 0),
    event("watch.started", {}, 0),
    event("agent.delta", { ...item, delta: "attic." }, 0),
  ]);

  assert.deepEqual(timeline(view).map(told), ["agent: It is … attic."]);
});

test("a speech that was cut before anything was heard is shown, noise is not", () => {
  const heard = { item_id: "item_2", text: "", full_text: "Good morning.", interrupted: true };
  const view = viewOf([
    event("turn.committed", { item_id: "item_1" }),
    event("turn.transcribed", { item_id: "item_1", text: "" }),
    event("agent.heard", heard),
  ]);

  assert.deepEqual(turnsOf(view).map(({ itemId }) => itemId), ["item_2"]);
});

test("items are in the order of the conversation, not of their arrival", () => {
  const view = viewOf([
    event("turn.transcribed", { item_id: "first", text: "1" }),
    event("item.added", { item_id: "first" }),
    event("turn.transcribed", { item_id: "third", text: "3" }),
    event("item.added", { item_id: "third", previous_item_id: "second" }),
    event("turn.transcribed", { item_id: "second", text: "2" }),
    event("item.added", { item_id: "second", previous_item_id: "first" }),
  ]);

  assert.deepEqual(turnsOf(view).map(({ text }) => text), ["1", "2", "3"]);
});

test("the user speaks until the provider hears the end of it, the agent until it was heard", () => {
  const steps: [string, string][] = [];
  let view = NOTHING;
  for (const each of recorded("handler").events.slice(0, 22)) {
    view = viewOf([each], view);
    const speaker = speaks(view);
    if (speaker !== steps.at(-1)?.[1]) steps.push([each.type, speaker]);
  }

  assert.deepEqual(steps, [
    ["session.started", "nobody"],
    ["speech.started", "user"],
    ["speech.stopped", "nobody"],
    ["agent.said", "agent"],
    ["speech.started", "user"],
    ["speech.stopped", "nobody"],
  ]);
});

test("events and members that are not known are passed over", () => {
  const view = viewOf([
    event("something.new", { item_id: "item_1" }),
    event("turn.delta", { item_id: "item_2", delta: 7 }, 0),
    event("usage"),
  ]);

  assert.deepEqual(turnsOf(view).filter(({ partial }) => partial), []);
});

test("what is read out is whole sentences, each once", () => {
  const said: string[] = [];
  let view = NOTHING;
  for (const each of recorded("tools-and-interruption").events.slice(0, 28)) {
    const next = viewOf([each], view);
    said.push(...announcements(view, next, true));
    view = next;
  }

  assert.deepEqual(said, [
    "Connected. You can speak.",
    "You: How many hats?",
    "Tool look_up succeeded.",
    "Agent: One moment.",
  ]);
  const partial = viewOf([event("agent.delta", { item_id: "x", delta: "It" }, 0)], view);
  assert.deepEqual(announcements(view, partial, true), []);
});
