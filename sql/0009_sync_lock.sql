-- Who syncs which provider right now, for a message to whoever wants to as well.

CREATE UNLOGGED TABLE provider_sync_lock (
    provider_id bigint PRIMARY KEY REFERENCES provider (id),
    holder      text NOT NULL,
    since       timestamptz NOT NULL,
    backend_pid integer NOT NULL
);

COMMENT ON TABLE provider_sync_lock IS
    'Who took a provider''s sync lock last. The lock itself is an advisory lock of that backend, which ends with its '
    'connection: a row counts only while pg_locks has the lock. Unlogged, because nothing of it outlives the server.';
COMMENT ON COLUMN provider_sync_lock.provider_id IS 'The provider.';
COMMENT ON COLUMN provider_sync_lock.holder IS 'Which door, on which machine, in which process.';
COMMENT ON COLUMN provider_sync_lock.since IS 'When it was taken.';
COMMENT ON COLUMN provider_sync_lock.backend_pid IS 'The server process that holds the advisory lock.';
