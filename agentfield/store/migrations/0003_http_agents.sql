-- Agents that are HTTP servers, and what agents tell of executions.

-- base_url: where it is called; empty: it opens a stream. For one with an address, connected says
-- that it sends heartbeats, and disconnected_at since when it is taken for gone: for one that was
-- told to leave it is in the future. status is what it says of itself.
ALTER TABLE workers ADD COLUMN base_url TEXT NOT NULL DEFAULT '';
ALTER TABLE workers ADD COLUMN status TEXT NOT NULL DEFAULT '';

-- The nodes whose newest registration has an address. offline: the worker said that it leaves.
CREATE TABLE http_nodes (
    node_id TEXT PRIMARY KEY,
    offline INTEGER NOT NULL DEFAULT 0
);

-- local: a call inside its agent's process. sender: the process of ours that calls its worker over
-- HTTP and waits for the answer. error_status_code: the HTTP status with which its agent failed it.
ALTER TABLE executions ADD COLUMN local INTEGER NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN sender TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN error_status_code INTEGER NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN usage BLOB;
CREATE INDEX executions_of_sender ON executions (sender)
    WHERE status IN ('queued', 'running') AND sender <> '';

CREATE TABLE execution_notes (
    execution_id TEXT NOT NULL,
    number       INTEGER NOT NULL,
    message      TEXT NOT NULL,
    tags         TEXT NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (execution_id, number)
);

CREATE TABLE execution_logs (
    execution_id TEXT NOT NULL,
    number       INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    entry        BLOB NOT NULL,
    PRIMARY KEY (execution_id, number)
);
