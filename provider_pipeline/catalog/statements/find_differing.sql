-- Finds the listed models (:hashes) that may differ from the last accepted listing or from the one before :since, with
-- their prices and limits as last listed; JSON as text, for a faster reader than the driver's.
SELECT
    now.key AS model_id,
    old.status,
    old.overridden_fields,
    {old_prices},
    CAST(old.prices AS text) AS prices,
    {old_limits},
    coalesce(old.first_seen_at < CAST(:since AS timestamptz), false) AS is_from_before,
    coalesce(greatest(old.last_seen_at, old.missing_since) >= CAST(:since AS timestamptz), false) AS has_changed_since
FROM json_each_text(CAST(:hashes AS json)) AS now
LEFT JOIN provider_model AS old
    ON old.provider_id = :provider_id AND old.model_id = now.key AND old.status <> 'removed'
WHERE old.id IS NULL
    OR old.meta_hash <> now.value
    OR old.overridden_fields <> '{{}}'
    OR old.status <> 'active'
    OR old.last_seen_at >= CAST(:since AS timestamptz)
