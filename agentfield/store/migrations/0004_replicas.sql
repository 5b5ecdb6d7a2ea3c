-- Several control planes on one database. A lease stands for a process: while it runs, the sessions
-- that name it as their owner and the workers connected to it are its. It covers all of them.

CREATE TABLE replicas (
    replica_id  TEXT PRIMARY KEY,
    joined_at   INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
);

-- owner_epoch 0: whoever owns it has not taken it up yet.
ALTER TABLE sessions DROP COLUMN lease_until;
CREATE INDEX sessions_of_replica ON sessions (owner) WHERE state <> 'ended';

-- Which process a worker is connected to. Nobody is at the time of a migration.
ALTER TABLE workers ADD COLUMN replica_id TEXT;
UPDATE workers SET connected = 0 WHERE connected = 1;

-- What one replica wants of another: of the owner of a session, or of the one that is named.
-- payload and result are JSON with a member "schema". result: what came of it, an error included.
DROP TABLE session_commands;
CREATE TABLE session_commands (
    command_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    replica_id TEXT,
    kind       TEXT NOT NULL,
    payload    BLOB NOT NULL,
    result     BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX session_commands_waiting ON session_commands (created_at) WHERE result IS NULL;
CREATE INDEX session_commands_expiry ON session_commands (expires_at);

-- Who follows a session from a replica that does not run it. attempt: the handler's, else 0.
CREATE TABLE session_streams (
    replica_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    role       TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    PRIMARY KEY (replica_id, session_id, role, attempt)
);
CREATE INDEX session_streams_of_session ON session_streams (session_id);
