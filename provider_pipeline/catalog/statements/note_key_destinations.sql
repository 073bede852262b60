INSERT INTO key_destination (key, origin)
SELECT DISTINCT place.key #>> '{{}}', lower(substring(address.url FROM '^https?://[^/?#]+'))
FROM provider_metadata
CROSS JOIN LATERAL (
    SELECT jsonb_path_query(provider_metadata.auth_config, 'lax $.**.env')
    UNION
    SELECT jsonb_path_query(provider_metadata.auth_config, 'lax $.**.file')
) AS place (key)
CROSS JOIN LATERAL (VALUES (provider_metadata.base_url), (provider_metadata.auth_config ->> 'token_url')) AS address (url)
WHERE provider_metadata.provider_id = :provider_id
    AND jsonb_typeof(place.key) = 'string'
    AND address.url ~ '^https?://[^/?#]+'
ON CONFLICT DO NOTHING
