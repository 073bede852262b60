-- Of the models that are listed now, with their hashes, those that are not kept, or not known to be the same as in the last
-- accepted listing and before :since: prices and limits as they were last listed, and what of them, and of the status, was
-- different then.
SELECT
    now.key AS model_id,
    old.status,
    old.overridden_fields,
    {old_prices},
    {old_limits},
    coalesce(old.first_seen_at < CAST(:since AS timestamptz), false) AS is_from_before,
    earlier.was
FROM json_each_text(CAST(:hashes AS json)) AS now
LEFT JOIN provider_model AS old
    ON old.provider_id = :provider_id AND old.model_id = now.key AND old.status <> 'removed'
-- The first change of a column since then says what it was before. Models that did not change since are not looked up.
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(name, value) AS was
    FROM (
        SELECT DISTINCT ON (field.key) field.key AS name, field.value -> 0 AS value
        FROM provider_model_change AS change
        CROSS JOIN jsonb_each(change.changed) AS field
        WHERE greatest(old.last_seen_at, old.missing_since) >= CAST(:since AS timestamptz)
            AND change.provider_id = :provider_id
            AND change.model_id = now.key
            -- By the model's index in any case: what is listed has many changes of late that statistics know nothing of.
            AND (change.changed_at >= CAST(:since AS timestamptz)) IS TRUE
            AND change.cause <> 'override'
            AND field.key = ANY(:compared)
        ORDER BY field.key, change.changed_at, change.id
    ) AS first_change
) AS earlier
WHERE old.id IS NULL
    OR old.meta_hash <> now.value
    OR old.overridden_fields <> '{{}}'
    OR old.status <> 'active'
    OR old.last_seen_at >= CAST(:since AS timestamptz)
