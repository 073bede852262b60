-- Takes a provider's advisory lock, if it is free, and notes who has it. Outside a transaction: the lock is the
-- connection's.
WITH attempt AS MATERIALIZED (
    SELECT pg_try_advisory_lock(CAST(:key AS bigint)) AS taken
)
INSERT INTO provider_sync_lock (provider_id, holder, since, backend_pid)
SELECT :provider_id, :holder, clock_timestamp(), pg_backend_pid()
FROM attempt
WHERE taken
ON CONFLICT (provider_id) DO UPDATE
SET holder = excluded.holder, since = excluded.since, backend_pid = excluded.backend_pid
RETURNING since
