import assert from "node:assert/strict";
import { test } from "node:test";
import { choices } from "../src/choices";
import { spots } from "../src/picture/tree";
import type { Node } from "../src/server/api";
import { failureOf } from "../src/server/failures";
import { wishOf } from "../src/server/link";
import { Parser, type Message } from "../src/server/sse";
import { clock, duration, readable } from "../src/words";
import { recorded } from "./recorded";

const STREAM = ': hi\n\nid: 1\ndata: {"a":\ndata: 1}\n\nevent: error\r\ndata: no\r\n\r\ndata:x\n\n';

test("messages are the same wherever the stream is cut", () => {
  const whole: Message[] = [
    { event: "", data: '{"a":\n1}' },
    { event: "error", data: "no" },
    { event: "", data: "x" },
  ];
  for (let cut = 0; cut <= STREAM.length; cut += 1) {
    const parser = new Parser();
    const found = [...parser.feed(STREAM.slice(0, cut)), ...parser.feed(STREAM.slice(cut))];
    assert.deepEqual(found, whole, `cut at ${cut}`);
  }
});

test("an address asks for a call, a session or nothing", () => {
  assert.deepEqual(wishOf("#target=a.b&start_token=t%2B1"), {
    kind: "talk",
    target: "a.b",
    startToken: "t+1",
  });
  assert.deepEqual(wishOf("#session=sess_1"), { kind: "read", sessionId: "sess_1" });
  assert.deepEqual(wishOf("#start_token=t"), { kind: "choose" });
  assert.deepEqual(wishOf(""), { kind: "choose" });
});

test("what cannot be called is shown with its reason, after what can", () => {
  const session = (name: string, provider: string, transport: string) => ({
    name,
    provider,
    transport,
  });
  const node = {
    node_id: "shop",
    connected: true,
    sessions: [
      session("turns", "openrouter", "audio_turns"),
      session("sockets", "openai", "websocket"),
      session("voice", "openai", "webrtc"),
      session("unknown", "nobody", "webrtc"),
    ],
  } as unknown as Node;
  const found = choices(
    [node],
    [
      { provider: "openai", transport: "webrtc", served: true },
      { provider: "openai", transport: "websocket", served: true },
      { provider: "openrouter", transport: "audio_turns", served: false },
    ],
  );

  assert.deepEqual(
    found.map(({ target, obstacle }) => [target, obstacle]),
    [
      ["shop.voice", ""],
      ["shop.turns", "This server does not serve openrouter over audio_turns."],
      ["shop.sockets", "This page talks over webrtc, not over websocket."],
      ["shop.unknown", "This server does not serve nobody over webrtc."],
    ],
  );
});

test("an execution stands below the one that called it", () => {
  const found = spots(recorded("tools-and-interruption").executions);

  assert.deepEqual(
    found.map(({ target, status, row, column, parentRow }) => [
      target,
      status,
      row,
      column,
      parentRow,
    ]),
    [
      ["shop.model", "succeeded", 0, 0, undefined],
      ["shop.look_up", "succeeded", 1, 1, 0],
      ["shop.count", "succeeded", 2, 2, 1],
      ["shop.fail", "failed", 3, 1, 0],
      ["shop.look_up", "succeeded", 4, 1, 0],
      ["shop.count", "succeeded", 5, 2, 4],
    ],
  );
});

test("an execution whose caller is not known stands by itself", () => {
  const found = spots([{ execution_id: "b", parent_execution_id: "a", workflow_depth: 1 }]);

  assert.deepEqual(found.map(({ column, parentRow }) => [column, parentRow]), [[0, undefined]]);
});

test("a refusal is told with what to do, what the server says, and when to try again", async () => {
  const body = { reason: "SESSION_LIMIT_REACHED", message: "The target has 1 of 1." };
  const headers = { "Retry-After": "7" };
  const { trouble, status } = await failureOf(Response.json(body, { status: 429, headers }));

  assert.equal(status, 429);
  assert.equal(trouble.title, "All lines are busy");
  assert.equal(trouble.detail, "The target has 1 of 1.");
  const seconds = ((trouble.retryAt ?? 0) - Date.now()) / 1000;
  assert.ok(seconds > 5 && seconds <= 7);
});

test("an answer that is no error of ours is told by its status", async () => {
  const answer = new Response("<html>Bad gateway</html>", { status: 502 });
  const { trouble } = await failureOf(answer);

  assert.equal(trouble.title, "The server failed");
  assert.equal(trouble.detail, undefined);
});

test("times and JSON are written to be read", () => {
  assert.deepEqual([0, 820, 2449, 65_000].map(duration), ["0 ms", "820 ms", "2.4 s", "1:05"]);
  assert.deepEqual([0, 7_999, 3_723_000].map(clock), ["0:00", "0:07", "1:02:03"]);
  assert.equal(readable('{"a":1}'), '{\n  "a": 1\n}');
  assert.equal(readable("no JSON"), "no JSON");
  assert.equal(readable({ a: [] }), '{\n  "a": []\n}');
});
