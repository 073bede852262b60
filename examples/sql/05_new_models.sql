-- What became available in the last week.
SELECT first_seen_at, slug, model_id, context_length, input_price, output_price
FROM model_flat
WHERE status = 'active' AND first_seen_at > now() - interval '7 days'
ORDER BY first_seen_at DESC, slug, model_id;
