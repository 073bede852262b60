-- What a month of 200 million input and 30 million output tokens costs with each model that calls tools.
SELECT slug, model_id, round(200 * input_price + 30 * output_price, 2) AS usd
FROM model_flat
WHERE status = 'active' AND is_enabled AND can_tools AND input_price IS NOT NULL AND output_price IS NOT NULL
ORDER BY usd, slug, model_id
LIMIT 20;
