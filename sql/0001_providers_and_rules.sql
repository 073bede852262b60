-- Providers, the listings stored for them, and their extraction rules.

CREATE TABLE provider (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug        text NOT NULL,
    name        text NOT NULL,
    enabled     boolean NOT NULL DEFAULT true,
    check_every interval,
    thresholds  jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provider_slug_key UNIQUE (slug),
    CONSTRAINT provider_id_slug_key UNIQUE (id, slug),
    CONSTRAINT provider_slug_format CHECK (length(slug) <= 64 AND slug ~ '^[a-z0-9]+((\.|[_-]+)[a-z0-9]+)*$'),
    CONSTRAINT provider_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT provider_check_every_positive CHECK (check_every > interval '0'),
    CONSTRAINT provider_thresholds_object CHECK (jsonb_typeof(thresholds) = 'object')
);

COMMENT ON TABLE provider IS 'An AI vendor or gateway whose models are kept in the catalogue.';
COMMENT ON COLUMN provider.id IS 'Surrogate key.';
COMMENT ON COLUMN provider.slug IS 'Short name in lower case; also the key of the Dagster partition.';
COMMENT ON COLUMN provider.name IS 'Name for people.';
COMMENT ON COLUMN provider.enabled IS 'Whether scheduled syncs include the provider.';
COMMENT ON COLUMN provider.check_every IS 'Least time between two scheduled syncs; NULL means every scheduled run.';
COMMENT ON COLUMN provider.thresholds IS 'Plausibility thresholds that differ from the defaults, by name.';
COMMENT ON COLUMN provider.created_at IS 'When the provider was registered.';
COMMENT ON COLUMN provider.updated_at IS 'When one of the columns above last changed.';

CREATE TABLE raw_response (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider (id),
    sha256      text NOT NULL,
    complete    boolean NOT NULL,
    byte_count  bigint NOT NULL,
    page_count  integer NOT NULL,
    fetched_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT raw_response_content_key UNIQUE (provider_id, sha256, complete),
    CONSTRAINT raw_response_sha256_format CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT raw_response_byte_count_not_negative CHECK (byte_count >= 0),
    CONSTRAINT raw_response_page_count_positive CHECK (page_count > 0)
);

COMMENT ON TABLE raw_response IS 'A provider''s listing as it was received; the same content is stored once.';
COMMENT ON COLUMN raw_response.id IS 'Surrogate key.';
COMMENT ON COLUMN raw_response.provider_id IS 'The provider that answered.';
COMMENT ON COLUMN raw_response.sha256 IS 'SHA-256 over endpoint, number and content of every page, in order.';
COMMENT ON COLUMN raw_response.complete IS 'Whether every page of every endpoint arrived.';
COMMENT ON COLUMN raw_response.byte_count IS 'Bytes of all pages together, before compression.';
COMMENT ON COLUMN raw_response.page_count IS 'Number of pages stored.';
COMMENT ON COLUMN raw_response.fetched_at IS 'When this content was first received.';

CREATE TABLE raw_response_page (
    raw_response_id bigint NOT NULL REFERENCES raw_response (id) ON DELETE CASCADE,
    endpoint        integer NOT NULL,
    number          integer NOT NULL,
    url             text NOT NULL,
    byte_count      bigint NOT NULL,
    content         bytea NOT NULL,
    PRIMARY KEY (raw_response_id, endpoint, number),
    CONSTRAINT raw_response_page_endpoint_not_negative CHECK (endpoint >= 0),
    CONSTRAINT raw_response_page_number_not_negative CHECK (number >= 0),
    CONSTRAINT raw_response_page_byte_count_not_negative CHECK (byte_count >= 0)
);

-- The content is compressed already.
ALTER TABLE raw_response_page ALTER COLUMN content SET STORAGE EXTERNAL;

COMMENT ON TABLE raw_response_page IS 'One page of a stored listing.';
COMMENT ON COLUMN raw_response_page.raw_response_id IS 'The listing the page belongs to.';
COMMENT ON COLUMN raw_response_page.endpoint IS 'Position of the endpoint in the rule, from 0.';
COMMENT ON COLUMN raw_response_page.number IS 'Position of the page within its endpoint''s answer.';
COMMENT ON COLUMN raw_response_page.url IS 'Where the page came from, without secrets.';
COMMENT ON COLUMN raw_response_page.byte_count IS 'Bytes of the page, before compression.';
COMMENT ON COLUMN raw_response_page.content IS 'The page''s bytes, compressed with zlib (RFC 1950).';

CREATE TABLE rule_version (
    provider_id       bigint NOT NULL REFERENCES provider (id),
    version           integer NOT NULL,
    model_list_config jsonb NOT NULL,
    endpoints_config  jsonb NOT NULL,
    metadata          jsonb NOT NULL DEFAULT '{}',
    digest            text NOT NULL,
    sample_id         bigint REFERENCES raw_response (id),
    origin            text NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider_id, version),
    CONSTRAINT rule_version_digest_key UNIQUE (provider_id, digest),
    CONSTRAINT rule_version_version_positive CHECK (version > 0),
    CONSTRAINT rule_version_digest_format CHECK (digest ~ '^[0-9a-f]{64}$'),
    CONSTRAINT rule_version_origin_format CHECK (origin ~ '^[a-z][a-z_]*$'),
    CONSTRAINT rule_version_model_list_config_object CHECK (jsonb_typeof(model_list_config) = 'object'),
    CONSTRAINT rule_version_endpoints_config_object CHECK (jsonb_typeof(endpoints_config) = 'object'),
    CONSTRAINT rule_version_metadata_object CHECK (jsonb_typeof(metadata) = 'object')
);

CREATE INDEX rule_version_sample_id_idx ON rule_version (sample_id);

COMMENT ON TABLE rule_version IS 'Every extraction rule a provider ever had; rows never change.';
COMMENT ON COLUMN rule_version.provider_id IS 'The provider whose listing the rule reads.';
COMMENT ON COLUMN rule_version.version IS 'Counts from 1 for each provider.';
COMMENT ON COLUMN rule_version.model_list_config IS 'Endpoint, selector, fields, units and pagination.';
COMMENT ON COLUMN rule_version.endpoints_config IS 'Capability patterns and evidence, by capability.';
COMMENT ON COLUMN rule_version.metadata IS 'How the rule was made: evidence, confidence, counts.';
COMMENT ON COLUMN rule_version.digest IS 'SHA-256 of the rule''s canonical JSON; the same rule is stored once per provider.';
COMMENT ON COLUMN rule_version.sample_id IS 'The stored listing the rule was generated from, if any.';
COMMENT ON COLUMN rule_version.origin IS 'What made the rule, for example generated or imported.';
COMMENT ON COLUMN rule_version.created_at IS 'When the version was stored.';

CREATE FUNCTION rule_version_is_immutable() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a rule version is immutable: add a new version instead'
        USING ERRCODE = 'restrict_violation';
END
$$;

COMMENT ON FUNCTION rule_version_is_immutable() IS 'Refuses every change to a stored rule version.';

CREATE TRIGGER rule_version_is_immutable
    BEFORE UPDATE OR DELETE ON rule_version
    FOR EACH ROW EXECUTE FUNCTION rule_version_is_immutable();

CREATE TABLE provider_metadata (
    provider_id       bigint PRIMARY KEY,
    slug              text NOT NULL,
    base_url          text NOT NULL,
    auth_config       jsonb NOT NULL,
    model_list_config jsonb,
    endpoints_config  jsonb,
    version           integer,
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provider_metadata_slug_key UNIQUE (slug),
    CONSTRAINT provider_metadata_provider_fkey
        FOREIGN KEY (provider_id, slug) REFERENCES provider (id, slug) ON UPDATE CASCADE,
    CONSTRAINT provider_metadata_rule_version_fkey
        FOREIGN KEY (provider_id, version) REFERENCES rule_version (provider_id, version),
    CONSTRAINT provider_metadata_base_url_format CHECK (base_url ~ '^https?://[^/?#@\s]+(/[^?#\s]*)?$'),
    CONSTRAINT provider_metadata_auth_config_object CHECK (jsonb_typeof(auth_config) = 'object'),
    CONSTRAINT provider_metadata_rule_whole_or_absent CHECK (
        num_nulls(version, model_list_config, endpoints_config) IN (0, 3)
    )
);

COMMENT ON TABLE provider_metadata IS 'How a provider is reached, and a copy of its active extraction rule.';
COMMENT ON COLUMN provider_metadata.provider_id IS 'The provider.';
COMMENT ON COLUMN provider_metadata.slug IS 'The provider''s slug; follows provider.slug.';
COMMENT ON COLUMN provider_metadata.base_url IS 'Address its endpoints start with; no credentials, no query.';
COMMENT ON COLUMN provider_metadata.auth_config IS
    'How requests are authenticated; names environment variables, never holds a key.';
COMMENT ON COLUMN provider_metadata.model_list_config IS 'Copied from the active rule version; NULL without one.';
COMMENT ON COLUMN provider_metadata.endpoints_config IS 'Copied from the active rule version; NULL without one.';
COMMENT ON COLUMN provider_metadata.version IS 'The active rule version; NULL until a rule is activated.';
COMMENT ON COLUMN provider_metadata.updated_at IS 'When one of the columns above last changed.';
