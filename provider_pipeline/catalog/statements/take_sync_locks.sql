-- Takes the advisory locks of providers, those that are free, and notes who has them. Outside a transaction: the locks
-- are the connection's.
WITH attempt AS MATERIALIZED (
    SELECT id, slug, pg_try_advisory_lock((CAST(:namespace AS bigint) << 32) | id) AS taken
    FROM provider
    WHERE slug = ANY(:slugs)
),
noted AS (
    INSERT INTO provider_sync_lock (provider_id, holder, since, backend_pid)
    SELECT id, :holder, clock_timestamp(), pg_backend_pid()
    FROM attempt
    WHERE taken
    ORDER BY id
    ON CONFLICT (provider_id) DO UPDATE
    SET holder = excluded.holder, since = excluded.since, backend_pid = excluded.backend_pid
)
SELECT slug FROM attempt WHERE taken
