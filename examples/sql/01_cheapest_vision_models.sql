-- The ten cheapest models that see images and read at least 100,000 tokens.
SELECT slug, model_id, context_length, input_price, output_price
FROM model_flat
WHERE status = 'active' AND is_enabled AND can_vision AND context_length >= 100000 AND input_price IS NOT NULL
ORDER BY input_price, output_price, slug, model_id
LIMIT 10;
