-- How far a provider's requests may go: which addresses, how often, for how long.

ALTER TABLE provider_metadata
    ADD COLUMN request_config jsonb NOT NULL DEFAULT '{}',
    ADD CONSTRAINT provider_metadata_request_config_object CHECK (jsonb_typeof(request_config) = 'object');

COMMENT ON COLUMN provider_metadata.request_config IS
    'What its requests may do that others may not, and limits of its own, such as allow_private or deadline, by name.';
