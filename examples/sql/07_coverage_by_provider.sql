-- How much each provider's listing says: the share of models with a known context window, price and purpose.
SELECT
    slug,
    count(*) AS models,
    round(100.0 * count(context_length) / count(*)) AS with_context,
    round(100.0 * count(input_price) / count(*)) AS with_price,
    round(100.0 * count(*) FILTER (WHERE coalesce(can_chat, can_embedding, can_image_generation) IS NOT NULL) / count(*))
        AS with_purpose
FROM model_flat
WHERE status = 'active' AND is_enabled
GROUP BY slug
ORDER BY with_price, slug;
