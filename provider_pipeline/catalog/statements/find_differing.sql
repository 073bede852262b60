-- Finds the listed models (:hashes) that may differ from the last accepted listing or from the one before :since, with
-- their prices and limits as last listed, and the earlier values of what has changed since; JSON as text, for a faster
-- reader than the driver's.
SELECT
    now.key AS model_id,
    old.status,
    old.overridden_fields,
    {old_prices},
    CAST(old.prices AS text) AS prices,
    {old_limits},
    coalesce(old.first_seen_at < CAST(:since AS timestamptz), false) AS is_from_before,
    CAST(earlier.was AS text) AS was
FROM json_each_text(CAST(:hashes AS json)) AS now
LEFT JOIN provider_model AS old
    ON old.provider_id = :provider_id AND old.model_id = now.key AND old.status <> 'removed'
-- The first change of a column since then has its earlier value. Models without changes since are not looked up.
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(name, value) AS was
    FROM (
        SELECT DISTINCT ON (field.key) field.key AS name, field.value -> 0 AS value
        FROM provider_model_change AS change
        CROSS JOIN jsonb_each(change.changed) AS field
        WHERE greatest(old.last_seen_at, old.missing_since) >= CAST(:since AS timestamptz)
            AND change.provider_id = :provider_id
            AND change.model_id = now.key
            -- IS TRUE keeps the planner on the index by model: statistics do not know the many recent changes.
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
