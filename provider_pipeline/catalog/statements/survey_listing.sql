-- Counts each provider's staged rows, finds duplicate ids, and whether the provider has active models.
SELECT
    listing.provider_id,
    coalesce(arrived.listed, 0) AS listed,
    arrived.duplicates,
    listing.provider_id IN (
        SELECT old.provider_id
        FROM provider_model AS old
        WHERE old.provider_id = ANY(CAST(:provider_ids AS bigint[])) AND old.status = 'active'
    ) AS any_active
FROM pg_temp.listing
LEFT JOIN (
    SELECT
        provider_id,
        CAST(sum(times) AS bigint) AS listed,
        array_agg(model_id ORDER BY model_id COLLATE "C") FILTER (WHERE times > 1) AS duplicates
    FROM (
        SELECT provider_id, model_id, count(*) AS times
        FROM (
            SELECT provider_id, model_id FROM pg_temp.listing_row
            UNION ALL
            SELECT provider_id, model_id FROM pg_temp.listing_same
        ) AS staged
        GROUP BY provider_id, model_id
    ) AS counted
    GROUP BY provider_id
) AS arrived ON arrived.provider_id = listing.provider_id
