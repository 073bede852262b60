-- Ids that are staged more than once.
SELECT provider_id, array_agg(model_id ORDER BY model_id COLLATE "C") AS model_ids
FROM (
    SELECT provider_id, model_id
    FROM pg_temp.listing_row
    WHERE NOT is_reread
    GROUP BY provider_id, model_id
    HAVING count(*) > 1
) AS repeated
GROUP BY provider_id
