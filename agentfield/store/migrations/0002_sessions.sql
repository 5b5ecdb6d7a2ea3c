-- The tables for sessions get what sessions need. Nothing has written to them yet: they are made
-- again with all that they had. JSON stands in them with a member "schema", the version of its shape.

DROP TABLE sessions;
DROP TABLE session_events;
DROP TABLE provider_calls;
DROP TABLE tool_calls;

-- snapshot is the declaration as it was at the start; instructions and tools are what is in force.
-- words_left: it was deleted, and something may have been written since.
CREATE TABLE sessions (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id        TEXT NOT NULL UNIQUE,
    node_id           TEXT NOT NULL,
    name              TEXT NOT NULL,
    state             TEXT NOT NULL,
    end_reason        TEXT,
    end_detail        TEXT NOT NULL DEFAULT '',
    snapshot          BLOB NOT NULL,
    instructions      TEXT NOT NULL,
    tools             BLOB NOT NULL,
    metadata          BLOB NOT NULL,
    usage             BLOB NOT NULL,
    run_id            TEXT NOT NULL,
    root_execution_id TEXT NOT NULL,
    parent_session_id TEXT,
    root_session_id   TEXT NOT NULL,
    handler           TEXT NOT NULL,
    attempt           INTEGER NOT NULL DEFAULT 0,
    generation        INTEGER NOT NULL DEFAULT 0,
    owner             TEXT,
    owner_epoch       INTEGER NOT NULL DEFAULT 0,
    lease_until       INTEGER,
    last_sequence     INTEGER NOT NULL DEFAULT 0,
    created_by        TEXT NOT NULL,
    request_id        TEXT,
    actor_id          TEXT NOT NULL,
    traceparent       TEXT NOT NULL,
    created_at        INTEGER NOT NULL,
    connect_by        INTEGER NOT NULL,
    live_at           INTEGER,
    ended_at          INTEGER,
    deleted_at        INTEGER,
    words_left        INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sessions_of_target ON sessions (node_id, name) WHERE state <> 'ended';
CREATE INDEX sessions_of_caller ON sessions (created_by, state) WHERE state <> 'ended';
CREATE INDEX sessions_of_owner ON sessions (created_by, seq);
CREATE INDEX sessions_of_node ON sessions (node_id, seq);
CREATE INDEX sessions_of_state ON sessions (state, seq);
CREATE INDEX sessions_retention ON sessions (ended_at)
    WHERE ended_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX sessions_words_left ON sessions (seq) WHERE words_left = 1;
CREATE INDEX executions_of_sessions ON executions (session_id)
    WHERE kind = 'session' AND status IN ('queued', 'running');

CREATE TABLE session_events (
    session_id  TEXT NOT NULL,
    sequence    INTEGER NOT NULL,
    owner_epoch INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    at          INTEGER NOT NULL,
    payload     BLOB NOT NULL,
    PRIMARY KEY (session_id, sequence)
) WITHOUT ROWID;

CREATE TABLE provider_calls (
    provider_call_id TEXT PRIMARY KEY,
    session_id       TEXT NOT NULL,
    generation       INTEGER NOT NULL,
    owner_epoch      INTEGER NOT NULL,
    provider         TEXT NOT NULL,
    transport        TEXT NOT NULL,
    external_id      TEXT NOT NULL DEFAULT '',
    state            TEXT NOT NULL,
    offer_sha256     BLOB NOT NULL,
    answer_sdp       BLOB,
    created_at       INTEGER NOT NULL,
    ended_at         INTEGER,
    UNIQUE (session_id, generation)
);
CREATE INDEX provider_calls_of_state ON provider_calls (state, created_at);

CREATE TABLE tool_calls (
    provider_call_id      TEXT NOT NULL,
    provider_tool_call_id TEXT NOT NULL,
    session_id            TEXT NOT NULL,
    execution_id          TEXT,
    name                  TEXT NOT NULL,
    arguments             TEXT NOT NULL,
    output_item_id        TEXT NOT NULL DEFAULT '',
    output                TEXT,
    delivered_at          INTEGER,
    PRIMARY KEY (provider_call_id, provider_tool_call_id)
);
CREATE INDEX tool_calls_of_session ON tool_calls (session_id);

-- Tokens stand here as hashes only.
CREATE TABLE client_tokens (
    sha256     BLOB PRIMARY KEY,
    session_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX client_tokens_of_session ON client_tokens (session_id);
CREATE INDEX client_tokens_expiry ON client_tokens (expires_at);

-- The node's view: the newest declaration of any worker.
CREATE TABLE node_sessions (
    node_id     TEXT NOT NULL,
    name        TEXT NOT NULL,
    position    INTEGER NOT NULL,
    declaration BLOB NOT NULL,
    PRIMARY KEY (node_id, name)
);

-- What one worker declares, a JSON list, and how many handlers it runs at once.
ALTER TABLE workers ADD COLUMN session_names TEXT NOT NULL DEFAULT '[]';
ALTER TABLE workers ADD COLUMN max_sessions INTEGER NOT NULL DEFAULT 0;
