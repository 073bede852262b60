-- How many models each provider had a week ago, and has now.
SELECT slug, count(week_ago.model_id) AS week_ago, count(today.model_id) AS today
FROM (SELECT slug, model_id FROM model_flat WHERE status = 'active') AS today
FULL JOIN (
    SELECT slug, model_id FROM provider_models_as_of(now() - interval '7 days') WHERE status = 'active'
) AS week_ago USING (slug, model_id)
GROUP BY slug
ORDER BY slug;
