-- Where reading from the prompt cache saves most.
SELECT
    slug, model_id, input_price, cache_read_price, round(100 * (1 - cache_read_price / input_price), 1) AS percent_saved
FROM model_flat
WHERE status = 'active' AND input_price > 0 AND cache_read_price IS NOT NULL
ORDER BY percent_saved DESC, slug, model_id
LIMIT 20;
