-- Finds the models of these :listings that may differ from the provider's last accepted listing or from the one before its
-- `since`, with their prices and limits as last listed; JSON as text, for a faster reader than the driver's.
SELECT
    listing.provider_id,
    now.key AS model_id,
    old.status,
    old.overridden_fields,
    {old_prices},
    CAST(old.prices AS text) AS prices,
    {old_limits},
    coalesce(old.first_seen_at < listing.since, false) AS is_from_before,
    coalesce(greatest(old.last_seen_at, old.missing_since) >= listing.since, false) AS has_changed_since
FROM json_to_recordset(CAST(:listings AS json)) AS listing (provider_id bigint, hashes json, since timestamptz)
CROSS JOIN LATERAL json_each_text(listing.hashes) AS now
LEFT JOIN provider_model AS old
    ON old.provider_id = listing.provider_id
    AND old.provider_id = ANY(CAST(:provider_ids AS bigint[]))
    AND old.model_id = now.key
    AND old.status <> 'removed'
WHERE old.id IS NULL
    OR old.meta_hash <> now.value
    OR old.overridden_fields <> '{{}}'
    OR old.status <> 'active'
    OR old.last_seen_at >= listing.since
