-- Input prices that changed in the last 30 days, in percent.
SELECT
    was.slug,
    was.model_id,
    was.amount AS before,
    now.amount AS after,
    round(100 * (now.amount - was.amount) / nullif(was.amount, 0), 1) AS percent,
    now.valid_from AS changed_at,
    now.cause
FROM model_price_history AS was
JOIN model_price_history AS now
    ON (now.provider_id, now.model_id, now.component, now.above, now.unit, now.currency)
        = (was.provider_id, was.model_id, was.component, was.above, was.unit, was.currency)
    AND now.valid_from = was.valid_to
WHERE was.component = 'input' AND was.above = 0 AND now.valid_from > now() - interval '30 days'
ORDER BY changed_at DESC, was.slug, was.model_id;
