-- Times are microseconds since the epoch. Names of keys stand in created_by and key_name.

CREATE TABLE nodes (
    node_id     TEXT PRIMARY KEY,
    version     TEXT NOT NULL,
    description TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
);

-- The node's view: the newest declaration of any worker.
CREATE TABLE functions (
    node_id       TEXT NOT NULL,
    name          TEXT NOT NULL,
    position      INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    idempotent    INTEGER NOT NULL,
    description   TEXT NOT NULL,
    tags          TEXT NOT NULL,
    input_schema  BLOB NOT NULL,
    output_schema BLOB NOT NULL,
    PRIMARY KEY (node_id, name)
);

-- One row per registered process. function_names is what it declares: a JSON list. connection_id is
-- its newest stream's: what an older one has to say of the worker counts no more.
CREATE TABLE workers (
    worker_id       TEXT PRIMARY KEY,
    node_id         TEXT NOT NULL,
    instance_id     TEXT NOT NULL,
    function_names  TEXT NOT NULL,
    max_executions  INTEGER NOT NULL DEFAULT 0,
    connected       INTEGER NOT NULL DEFAULT 0,
    connection_id   TEXT NOT NULL DEFAULT '',
    draining        INTEGER NOT NULL DEFAULT 0,
    seen_at         INTEGER NOT NULL,
    disconnected_at INTEGER,
    UNIQUE (node_id, instance_id)
);

CREATE TABLE executions (
    seq                 INTEGER PRIMARY KEY AUTOINCREMENT,
    execution_id        TEXT NOT NULL UNIQUE,
    run_id              TEXT NOT NULL,
    parent_execution_id TEXT,
    session_id          TEXT,
    node_id             TEXT NOT NULL,
    function            TEXT NOT NULL,
    kind                TEXT NOT NULL,
    status              TEXT NOT NULL,
    attempt             INTEGER NOT NULL,
    depth               INTEGER NOT NULL,
    idempotent          INTEGER NOT NULL,
    created_by          TEXT NOT NULL,
    run_owner           TEXT NOT NULL,
    actor_id            TEXT NOT NULL,
    traceparent         TEXT NOT NULL,
    worker_id           TEXT,
    instance_id         TEXT NOT NULL,
    created_at          INTEGER NOT NULL,
    expires_at          INTEGER NOT NULL,
    claimed_at          INTEGER,
    started_at          INTEGER,
    completed_at        INTEGER,
    error_reason        TEXT,
    error               TEXT,
    error_details       BLOB,
    late_status         TEXT,
    late_error          TEXT,
    late_at             INTEGER,
    late_result         BLOB,
    input               BLOB NOT NULL,
    result              BLOB
);

CREATE INDEX executions_queue ON executions (node_id, depth DESC, seq)
    WHERE status = 'queued' AND worker_id IS NULL;
CREATE INDEX executions_of_worker ON executions (worker_id)
    WHERE status IN ('queued', 'running') AND worker_id IS NOT NULL;
CREATE INDEX executions_expiry ON executions (expires_at)
    WHERE status IN ('queued', 'running');
CREATE INDEX executions_of_parent ON executions (parent_execution_id, status);
CREATE INDEX executions_of_run ON executions (run_id, seq);
CREATE INDEX executions_of_session ON executions (session_id, seq) WHERE session_id IS NOT NULL;
CREATE INDEX executions_of_node ON executions (node_id, seq);
CREATE INDEX executions_of_status ON executions (status, seq);
CREATE INDEX executions_of_owner ON executions (created_by, seq);
CREATE INDEX runs_of_owner ON executions (run_owner, seq);
CREATE INDEX executions_roots ON executions (seq) WHERE parent_execution_id IS NULL;

-- Answers to remember, so that a repeated request gets the first one.
CREATE TABLE requests (
    key_name    TEXT NOT NULL,
    rpc         TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer      TEXT NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (key_name, rpc, request_id)
);
CREATE INDEX requests_expiry ON requests (expires_at);

-- Sessions: conversations over a realtime provider, owned by one replica at a time.
CREATE TABLE sessions (
    session_id        TEXT PRIMARY KEY,
    target            TEXT NOT NULL,
    state             TEXT NOT NULL,
    end_reason        TEXT,
    snapshot          BLOB NOT NULL,
    run_id            TEXT NOT NULL,
    root_execution_id TEXT NOT NULL,
    parent_session_id TEXT,
    root_session_id   TEXT NOT NULL,
    attempt           INTEGER NOT NULL DEFAULT 0,
    generation        INTEGER NOT NULL DEFAULT 0,
    owner             TEXT,
    owner_epoch       INTEGER NOT NULL DEFAULT 0,
    lease_until       INTEGER,
    last_sequence     INTEGER NOT NULL DEFAULT 0,
    created_by        TEXT NOT NULL,
    request_id        TEXT,
    created_at        INTEGER NOT NULL,
    connect_by        INTEGER,
    ended_at          INTEGER
);

CREATE TABLE session_events (
    session_id  TEXT NOT NULL,
    sequence    INTEGER NOT NULL,
    owner_epoch INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    at          INTEGER NOT NULL,
    payload     BLOB NOT NULL,
    PRIMARY KEY (session_id, sequence)
);

CREATE TABLE session_commands (
    session_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    kind       TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    payload    BLOB NOT NULL,
    result     BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, request_id)
);

CREATE TABLE provider_calls (
    provider_call_id TEXT PRIMARY KEY,
    session_id       TEXT NOT NULL,
    generation       INTEGER NOT NULL,
    owner_epoch      INTEGER NOT NULL,
    provider         TEXT NOT NULL,
    external_id      TEXT,
    state            TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    ended_at         INTEGER,
    UNIQUE (session_id, generation)
);

CREATE TABLE tool_calls (
    provider_call_id      TEXT NOT NULL,
    provider_tool_call_id TEXT NOT NULL,
    session_id            TEXT NOT NULL,
    execution_id          TEXT,
    name                  TEXT NOT NULL,
    arguments             BLOB NOT NULL,
    output_item_id        TEXT,
    output                BLOB,
    delivered_at          INTEGER,
    PRIMARY KEY (provider_call_id, provider_tool_call_id)
);
