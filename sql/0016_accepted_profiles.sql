-- What listings looked like that were replaced in the last days: a new one is compared with the last accepted one and with
-- one further back, or it could move any distance in small steps.

CREATE TABLE accepted_profile (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider (id),
    replaced_at timestamptz NOT NULL,
    profile     jsonb NOT NULL,
    CONSTRAINT accepted_profile_object CHECK (jsonb_typeof(profile) = 'object')
);

CREATE INDEX accepted_profile_provider_idx ON accepted_profile (provider_id, replaced_at);

COMMENT ON TABLE accepted_profile IS
    'Profiles of accepted listings that others replaced, about one for each seventh of the window that new listings are '
    'compared over. What the models were then is told by provider_model and its changes.';
COMMENT ON COLUMN accepted_profile.id IS 'Key.';
COMMENT ON COLUMN accepted_profile.provider_id IS 'The provider.';
COMMENT ON COLUMN accepted_profile.replaced_at IS 'When the next listing was accepted; until then this one was the last.';
COMMENT ON COLUMN accepted_profile.profile IS 'What the listing looked like as a whole.';

-- A sketch of the ids, from which their overlap was estimated, and medians: ids and values are compared themselves now.
UPDATE provider_sync
SET profile = profile - 'sketch' - 'medians' || jsonb_build_object('listed', (
    SELECT count(*)
    FROM provider_model
    WHERE provider_model.provider_id = provider_sync.provider_id AND provider_model.status = 'active'
))
WHERE profile IS NOT NULL;
