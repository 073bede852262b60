-- Records the models of providers that had none, which are in the table already, as added.
WITH
listing AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(CAST(:listings AS jsonb)) AS said (provider_id bigint, raw_response_id bigint)
),
change AS (
    INSERT INTO provider_model_change (
        provider_id, model_id, kind, rule_version, raw_response_id, cause, changed_at
    )
    SELECT model.provider_id, model.model_id, 'added', model.rule_version, listing.raw_response_id, 'provider', :now
    FROM provider_model AS model
    JOIN listing ON listing.provider_id = model.provider_id
    WHERE model.provider_id = ANY(CAST(:provider_ids AS bigint[]))
    ORDER BY model.provider_id, model.model_id COLLATE "C"
    RETURNING provider_id, model_id
)
SELECT
    provider_id,
    count(*) AS models,
    array_agg(model_id ORDER BY place) FILTER (WHERE place <= :max_changes) AS first_ids
FROM (
    SELECT provider_id, model_id, row_number() OVER (PARTITION BY provider_id ORDER BY model_id COLLATE "C") AS place
    FROM change
) AS ranked
GROUP BY provider_id
