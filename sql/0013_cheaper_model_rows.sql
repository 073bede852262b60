-- What every new row of a model was checked for, at a price, though it follows from something else.

-- A counted pattern has a state for each character; PostgreSQL builds them anew for each row.
ALTER TABLE provider_model
    DROP CONSTRAINT provider_model_meta_hash_format,
    ADD CONSTRAINT provider_model_meta_hash_format CHECK (length(meta_hash) = 64 AND meta_hash ~ '^[0-9a-f]+$'),
    -- The rule version is there, and it has that provider.
    DROP CONSTRAINT provider_model_provider_id_fkey;

COMMENT ON COLUMN provider_sync.validators IS
    'Per page of the last accepted listing: endpoint, number, url, and what tells it from another: etag and '
    'last_modified, for conditional requests, and the SHA-256 of a whole listing''s answer as its fingerprint.';
