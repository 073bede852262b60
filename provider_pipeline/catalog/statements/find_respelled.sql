-- Models of the last accepted listing that match these ids when case is ignored.
SELECT old.model_id
FROM provider_model AS old
WHERE old.provider_id = :provider_id
    AND old.status = 'active'
    AND lower(old.model_id) IN (SELECT lower(value) FROM json_array_elements_text(CAST(:ids AS json)))
