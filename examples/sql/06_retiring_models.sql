-- What ends within 90 days, and what the provider advises instead.
SELECT retires_on, retires_on - current_date AS days_left, slug, model_id, successor_model_id
FROM model_flat
WHERE status = 'active' AND is_enabled AND retires_on < current_date + 90
ORDER BY retires_on, slug, model_id;
