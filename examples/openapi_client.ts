// Run a function with the types that openapi-typescript made: see docs/openapi.md.
import createClient from "openapi-fetch";
import type { components, paths } from "./agentfield.js";

const client = createClient<paths>({ baseUrl: "http://localhost:8080" });

const greeted = await client.POST("/api/v1/execute/{target}", {
  params: { path: { target: "hello.greet" } },
  body: { input: { name: "Ada" } },
});
console.log(greeted.data?.result);

const missing = await client.GET("/api/v1/session-instances/{session_id}", {
  params: { path: { session_id: "sess_none" } },
});
const reason: components["schemas"]["ErrorReason"] | undefined = missing.error?.reason;
console.log(missing.response.status, reason === "SESSION_NOT_FOUND");
