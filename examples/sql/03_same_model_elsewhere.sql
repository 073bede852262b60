-- Models that several providers offer: the cheapest and the dearest input price.
SELECT
    canonical_id,
    count(DISTINCT slug) AS providers,
    min(input_price) AS cheapest,
    (array_agg(slug ORDER BY input_price, slug))[1] AS cheapest_at,
    max(input_price) AS dearest
FROM model_flat
WHERE status = 'active' AND is_enabled AND canonical_id IS NOT NULL AND input_price IS NOT NULL
GROUP BY canonical_id
HAVING count(DISTINCT slug) > 1
ORDER BY max(input_price) - min(input_price) DESC, canonical_id;
