-- Records the listed values of overridden fields where they changed.
UPDATE provider_model_override AS override
SET listed_value = said.value, listed_at = :now
FROM (
    SELECT
        CAST(entry ->> 'provider_id' AS bigint) AS provider_id,
        entry ->> 'model_id' AS model_id,
        entry ->> 'field' AS field,
        entry -> 'value' AS value
    FROM jsonb_array_elements(CAST(:listed AS jsonb)) AS entry
) AS said
WHERE override.provider_id = said.provider_id
    AND override.model_id = said.model_id
    AND override.field = said.field
    AND override.match = 'model'
    AND override.listed_value IS DISTINCT FROM said.value
