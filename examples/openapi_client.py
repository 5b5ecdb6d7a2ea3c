"""Run a function with the client that openapi-python-client made: see docs/openapi.md."""

import os
import time

from agentfield_client import Client
from agentfield_client.api.execution_service import execute_async, get_execution
from agentfield_client.models import Error, ErrorReason, ExecuteAsyncRequest

URL = os.environ.get("AGENTFIELD_SERVER", "http://localhost:8080")
BODY = ExecuteAsyncRequest.from_dict({"input": {"name": "Ada"}})

with Client(URL, raise_on_unexpected_status=True) as client:
    asked = execute_async.sync("hello.greet", client=client, body=BODY, idempotency_key="greet-1")
    if isinstance(asked, Error):
        raise SystemExit(f"{asked.reason}: {asked.message}")
    while (found := get_execution.sync(asked.execution_id, client=client)).status != "succeeded":
        time.sleep(0.1)
    print(found.result)

    missing = execute_async.sync("hello.nothing", client=client, body=BODY)
    print(missing.reason == ErrorReason.TARGET_NOT_FOUND, missing.message)
