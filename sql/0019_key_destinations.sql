-- Where each provider's key has been sent, so that a key on its way to another host is noticed, whoever sends it there.

CREATE TABLE key_destination (
    key      text NOT NULL,
    origin   text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT key_destination_pkey PRIMARY KEY (key, origin)
);

COMMENT ON TABLE key_destination IS
    'The hosts that providers with a key were registered at. Rows are added, and stay when a provider changes.';
COMMENT ON COLUMN key_destination.key IS
    'Where the key is: the name of an environment variable, or the absolute path of a file. Never the key.';
COMMENT ON COLUMN key_destination.origin IS 'Scheme, host and port of a provider or its token endpoint.';
COMMENT ON COLUMN key_destination.added_at IS 'When the first provider with this key was registered there.';

INSERT INTO key_destination (key, origin)
SELECT DISTINCT place.key #>> '{}', lower(substring(address.url FROM '^https?://[^/?#]+'))
FROM provider_metadata
CROSS JOIN LATERAL (
    SELECT jsonb_path_query(provider_metadata.auth_config, 'lax $.**.env')
    UNION
    SELECT jsonb_path_query(provider_metadata.auth_config, 'lax $.**.file')
) AS place (key)
CROSS JOIN LATERAL (VALUES (provider_metadata.base_url), (provider_metadata.auth_config ->> 'token_url')) AS address (url)
WHERE jsonb_typeof(place.key) = 'string' AND address.url ~ '^https?://[^/?#]+';
