-- How many rows arrived, which ids came more than once, and whether any row of the provider is active.
SELECT
    (SELECT count(*) FROM pg_temp.listing_row) AS listed,
    (
        SELECT array_agg(model_id ORDER BY model_id COLLATE "C")
        FROM (SELECT model_id FROM pg_temp.listing_row GROUP BY model_id HAVING count(*) > 1) AS repeated
    ) AS duplicates,
    EXISTS (SELECT FROM provider_model WHERE provider_id = :provider_id AND status = 'active') AS any_active
