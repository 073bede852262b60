-- Of the models that are listed now, with their hashes, those that are not kept or not known to be the same: prices and
-- limits as they were last listed.
SELECT
    now.key AS model_id,
    old.overridden_fields,
    CAST(old.input_price AS float8) AS input_price,
    CAST(old.output_price AS float8) AS output_price,
    old.context_length,
    old.max_output_tokens
FROM json_each_text(CAST(:hashes AS json)) AS now
LEFT JOIN provider_model AS old
    ON old.provider_id = :provider_id AND old.model_id = now.key AND old.status <> 'removed'
WHERE old.id IS NULL OR old.meta_hash <> now.value OR old.overridden_fields <> '{}'
