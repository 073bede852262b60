-- Makes the stored overrides of a set (:source) those that are :stated, and returns what that changed. Others of the set
-- are removed if :prune.
WITH stated AS MATERIALIZED (
    SELECT
        CAST(entry ->> 'provider_id' AS bigint) AS provider_id,
        entry ->> 'model_id' AS model_id,
        entry ->> 'match' AS match,
        entry ->> 'field' AS field,
        entry -> 'value' AS override_value,
        entry ->> 'reason' AS reason,
        entry ->> 'source_url' AS source_url,
        CAST(entry ->> 'fills_gaps' AS boolean) AS fills_gaps,
        CAST(entry ->> 'valid_from' AS timestamptz) AS valid_from,
        CAST(entry ->> 'expires_at' AS timestamptz) AS expires_at
    FROM jsonb_array_elements(CAST(:stated AS jsonb)) AS entry
),
compared AS MATERIALIZED (
    SELECT
        stated.*,
        old.id,
        old.override_value AS was,
        CASE
            WHEN old.id IS NULL THEN 'set'
            WHEN (old.override_value, old.reason, old.source_url, old.fills_gaps, old.expires_at)
                IS DISTINCT FROM
                (stated.override_value, stated.reason, stated.source_url, stated.fills_gaps, stated.expires_at)
                THEN 'changed'
            ELSE 'unchanged'
        END AS action
    FROM stated
    LEFT JOIN provider_model_override AS old
        ON old.source = :source
        AND old.provider_id = stated.provider_id
        AND old.model_id = stated.model_id
        AND old.match = stated.match
        AND old.field = stated.field
        -- COALESCE, not IS NOT DISTINCT FROM, with which PostgreSQL cannot hash.
        AND coalesce(old.valid_from, '-infinity') = coalesce(stated.valid_from, '-infinity')
),
added AS (
    INSERT INTO provider_model_override (
        provider_id, model_id, match, field, override_value, reason, source_url, fills_gaps, valid_from, expires_at,
        source, created_by_id
    )
    SELECT
        provider_id, model_id, match, field, override_value, reason, source_url, fills_gaps, valid_from, expires_at,
        :source, :created_by_id
    FROM compared
    WHERE action = 'set'
),
written AS (
    UPDATE provider_model_override AS old
    SET override_value = compared.override_value,
        reason = compared.reason,
        source_url = compared.source_url,
        fills_gaps = compared.fills_gaps,
        expires_at = compared.expires_at,
        created_by_id = :created_by_id,
        updated_at = now()
    FROM compared
    WHERE old.id = compared.id AND compared.action = 'changed'
),
gone AS (
    DELETE FROM provider_model_override AS old
    WHERE :prune AND old.source = :source AND old.id NOT IN (SELECT id FROM compared WHERE id IS NOT NULL)
    RETURNING old.provider_id, old.model_id, old.match, old.field, old.override_value, old.valid_from
)
SELECT
    provider.slug, change.action, change.model_id, change.match, change.field, change.valid_from, change.was,
    change.value
FROM (
    SELECT provider_id, action, model_id, match, field, valid_from, was, override_value AS value
    FROM compared
    WHERE action <> 'unchanged'
    UNION ALL
    SELECT provider_id, 'removed', model_id, match, field, valid_from, override_value, NULL
    FROM gone
) AS change
JOIN provider ON provider.id = change.provider_id
ORDER BY provider.slug COLLATE "C", change.model_id COLLATE "C", change.field COLLATE "C", change.valid_from NULLS FIRST
