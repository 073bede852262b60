-- Each provider's number of active models, and as one document the change hashes of those without overrides, each with the
-- family, which no hash covers; nothing of providers with more than :most active models.
SELECT
    provider_id,
    count(*) AS active,
    CAST(json_object_agg(model_id, concat(meta_hash, ' ', family)) FILTER (WHERE overridden_fields = '{{}}') AS text) AS hashes
FROM provider_model
WHERE provider_id = ANY(CAST(:provider_ids AS bigint[])) AND status = 'active'
GROUP BY provider_id
HAVING count(*) <= :most
