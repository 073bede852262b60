-- The values that these models had, each before its :since, of the columns that have changed since; JSON as text.
SELECT changed.provider_id, changed.model_id, CAST(earlier.was AS text) AS was
FROM unnest(CAST(:provider_ids AS bigint[]), CAST(:model_ids AS text[]), CAST(:since AS timestamptz[]))
    AS changed (provider_id, model_id, since)
-- The first change of a column since then has its earlier value.
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(name, value) AS was
    FROM (
        SELECT DISTINCT ON (field.key) field.key AS name, field.value -> 0 AS value
        FROM provider_model_change AS change
        CROSS JOIN jsonb_each(change.changed) AS field
        WHERE change.provider_id = changed.provider_id
            AND change.model_id = changed.model_id
            -- IS TRUE keeps the planner on the index by model: statistics do not know the many recent changes.
            AND (change.changed_at >= changed.since) IS TRUE
            AND change.cause <> 'override'
            AND field.key = ANY(:compared)
        ORDER BY field.key, change.changed_at, change.id
    ) AS first_change
) AS earlier
WHERE earlier.was IS NOT NULL
