-- Each provider's number of active models, and the change hashes of those without overrides as one document; nothing of
-- providers with more than :most active models.
SELECT
    provider_id,
    count(*) AS active,
    CAST(json_object_agg(model_id, meta_hash) FILTER (WHERE overridden_fields = '{{}}') AS text) AS hashes
FROM provider_model
WHERE provider_id = ANY(CAST(:provider_ids AS bigint[])) AND status = 'active'
GROUP BY provider_id
HAVING count(*) <= :most
