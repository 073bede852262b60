-- Copies each listing's provider and its models under the listing's own number: listings of one provider are not written
-- one after the other, but each to the models as they are.
WITH said AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(CAST(:listings AS jsonb)) AS said (number bigint, provider_id bigint)
),
providers AS (
    INSERT INTO pg_temp.dry_provider (id, removal_after, removal_age)
    SELECT said.number, removal_after, removal_age
    FROM said
    JOIN provider ON provider.id = said.provider_id
),
syncs AS (
    INSERT INTO pg_temp.dry_sync (provider_id, last_success_at)
    SELECT said.number, last_success_at
    FROM said
    JOIN provider_sync USING (provider_id)
)
INSERT INTO pg_temp.dry_model (provider_id, {copied})
SELECT said.number, {copied}
FROM said
JOIN provider_model USING (provider_id)
WHERE provider_id = ANY(CAST(:provider_ids AS bigint[]))
