-- What each provider's listing is compared with before it is sent: as one document the models that are active or missing,
-- by id. The value is the change hash with the family, which no hash covers; '' if a field is overridden; null if the
-- model is missing. No document of providers with more than :most such models.
WITH held AS (
    SELECT
        provider_id,
        bool_or(status = 'active') AS any_active,
        count(*) FILTER (WHERE status <> 'removed') AS models,
        json_object_agg(
            model_id,
            CASE
                WHEN status <> 'active' THEN NULL
                WHEN overridden_fields <> '{{}}' THEN ''
                ELSE concat(meta_hash, ' ', family)
            END
        ) FILTER (WHERE status <> 'removed') AS hashes
    FROM provider_model
    WHERE provider_id = ANY(CAST(:provider_ids AS bigint[]))
    GROUP BY provider_id
)
SELECT
    wanted.provider_id,
    held.provider_id IS NOT NULL AS is_known,
    coalesce(held.any_active, false) AS any_active,
    coalesce(held.models, 0) <= :most AS is_compared,
    CASE WHEN held.models <= :most THEN CAST(held.hashes AS text) END AS hashes
FROM unnest(CAST(:provider_ids AS bigint[])) AS wanted (provider_id)
LEFT JOIN held ON held.provider_id = wanted.provider_id
