-- Takes leases that are free, expired, or that this process failed to release. Returns for each provider whether it was
-- taken and its previous holder; no holder if the lease was taken since the statement started.
WITH wanted AS MATERIALIZED (
    SELECT id, slug, slug = ANY(:free) AS is_free
    FROM provider
    WHERE slug = ANY(:slugs)
),
expired AS MATERIALIZED (
    SELECT lease.provider_id
    FROM provider_sync_lease AS lease
    JOIN wanted ON wanted.id = lease.provider_id AND wanted.is_free
    WHERE lease.expires_at <= clock_timestamp() OR lease.token = :token
    -- A locked lease is being taken over, or its owner is writing.
    FOR UPDATE OF lease SKIP LOCKED
),
taken_over AS (
    UPDATE provider_sync_lease AS lease
    SET token = :token, holder = :holder, since = statement_timestamp(), expires_at = statement_timestamp() + :lasts
    FROM expired
    WHERE lease.provider_id = expired.provider_id
    RETURNING lease.provider_id
),
begun AS (
    INSERT INTO provider_sync_lease (provider_id, token, holder, since, expires_at)
    SELECT id, :token, :holder, statement_timestamp(), statement_timestamp() + :lasts
    FROM wanted
    -- Only where there was no lease: inserting beside one that another statement takes over would wait for that
    -- statement, which may wait for this one.
    WHERE is_free AND NOT EXISTS (SELECT FROM provider_sync_lease AS lease WHERE lease.provider_id = wanted.id)
    ORDER BY id
    ON CONFLICT (provider_id) DO NOTHING
    RETURNING provider_id
)
SELECT
    wanted.id,
    wanted.slug,
    wanted.id IN (SELECT provider_id FROM taken_over UNION ALL SELECT provider_id FROM begun) AS is_taken,
    before.holder,
    before.since,
    before.expires_at
FROM wanted
LEFT JOIN provider_sync_lease AS before ON before.provider_id = wanted.id
