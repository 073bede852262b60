-- Who syncs which provider right now, as leases that end by themselves. The session-level advisory locks of before stay
-- with a connection pooler's connection when their owner is gone.

CREATE UNLOGGED TABLE provider_sync_lease (
    provider_id bigint PRIMARY KEY REFERENCES provider (id),
    token       uuid NOT NULL,
    holder      text NOT NULL,
    since       timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    -- Makes the token part of the row's key: a write that locks the row FOR KEY SHARE keeps it from being taken over,
    -- and its owner can renew it meanwhile.
    UNIQUE (token, provider_id)
);

COMMENT ON TABLE provider_sync_lease IS
    'Who is syncing a provider. A lease is renewed while its process lives, may be taken over once it has expired, and '
    'is deleted at the end of the sync; a sync writes only while the lease is its own. Unlogged: after a crash of the '
    'server no sync is left to protect.';
COMMENT ON COLUMN provider_sync_lease.provider_id IS 'The provider.';
COMMENT ON COLUMN provider_sync_lease.token IS 'The process that has it, as no other one is called.';
COMMENT ON COLUMN provider_sync_lease.holder IS 'The same for people: which entry point, on which machine, in which process.';
COMMENT ON COLUMN provider_sync_lease.since IS 'When it was taken, by the database''s clock, as all times here.';
COMMENT ON COLUMN provider_sync_lease.expires_at IS 'From when on another process may take it, unless it is renewed.';

-- A process of the version before that is in the middle of a sync keeps its providers for as long as a lease lasts.
INSERT INTO provider_sync_lease (provider_id, token, holder, since, expires_at)
SELECT held.provider_id, gen_random_uuid(), held.holder, held.since, clock_timestamp() + interval '60 seconds'
FROM provider_sync_lock AS held
WHERE EXISTS (
    SELECT
    FROM pg_locks AS lock
    WHERE lock.locktype = 'advisory'
        AND lock.pid = held.backend_pid
        AND lock.granted
        AND lock.objsubid = 1
        -- "sync" in ASCII, and the provider.
        AND (CAST(lock.classid AS bigint) << 32) | CAST(lock.objid AS bigint)
            = (CAST(1937337955 AS bigint) << 32) | held.provider_id
);

DROP TABLE provider_sync_lock;
