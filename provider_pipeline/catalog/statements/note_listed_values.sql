-- What a listing says of overridden fields, where it says something new.
UPDATE provider_model_override AS override
SET listed_value = said.value, listed_at = :now
FROM (
    SELECT entry ->> 'model_id' AS model_id, entry ->> 'field' AS field, entry -> 'value' AS value
    FROM jsonb_array_elements(CAST(:listed AS jsonb)) AS entry
) AS said
WHERE override.provider_id = :provider_id
    AND override.model_id = said.model_id
    AND override.field = said.field
    AND override.listed_value IS DISTINCT FROM said.value
