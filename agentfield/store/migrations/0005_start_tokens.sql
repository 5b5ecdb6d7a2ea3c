-- Start tokens: each starts sessions of one target. They stand here as hashes only. actor_id: for
-- whom its maker acted, and so its sessions do.

CREATE TABLE start_tokens (
    token_id   TEXT PRIMARY KEY,
    sha256     BLOB NOT NULL UNIQUE,
    node_id    TEXT NOT NULL,
    name       TEXT NOT NULL,
    created_by TEXT NOT NULL,
    actor_id   TEXT NOT NULL,
    uses_left  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX start_tokens_expiry ON start_tokens (expires_at);
