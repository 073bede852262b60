-- Sample providers are marked, and never in one catalogue with providers of one's own.

ALTER TABLE provider ADD COLUMN is_sample boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN provider.is_sample IS
    'Whether it is a sample provider of the demo, and its models no vendor''s; set when it is registered, and for good.';

CREATE INDEX provider_is_sample_idx ON provider (id) WHERE is_sample;

-- Earlier releases put the demo's providers into the user's own catalogue. They are known by how they came about: served
-- at /SLUG of a port of this machine, with a first rule generated from the bundled sample. (The first rule of a preset
-- has another origin, that of any other provider a sample that was fetched.) They lose their slug, so that the real
-- provider can be added, and are not synced any more; their rows stay.
UPDATE provider
SET
    is_sample = true,
    enabled = false,
    updated_at = now(),
    slug = CASE
        WHEN length(provider.slug) > 57 OR EXISTS (
            SELECT FROM provider AS other WHERE other.slug = provider.slug || '.sample'
        ) THEN provider.slug
        ELSE provider.slug || '.sample'
    END
FROM provider_metadata
WHERE
    provider_metadata.provider_id = provider.id
    AND provider_metadata.base_url ~ '^http://127\.0\.0\.1:[0-9]+/[^/]+$'
    AND split_part(provider_metadata.base_url, '/', 4) = provider.slug
    AND provider_metadata.request_config = '{"allow_private": true}'
    AND EXISTS (
        SELECT
        FROM rule_version
        JOIN raw_response_page ON raw_response_page.raw_response_id = rule_version.sample_id
        WHERE
            rule_version.provider_id = provider.id
            AND rule_version.version = 1
            AND rule_version.origin = 'generated'
            AND raw_response_page.url = 'sample:' || provider.slug
    );

CREATE FUNCTION sample_providers_stay_apart() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.is_sample IS DISTINCT FROM OLD.is_sample THEN
        RAISE EXCEPTION '% cannot become or cease to be a sample provider', NEW.slug
            USING ERRCODE = 'restrict_violation', HINT = 'register it under another slug';
    END IF;
    IF NEW.is_sample AND NEW.enabled AND EXISTS (SELECT FROM provider WHERE NOT is_sample) THEN
        RAISE EXCEPTION 'this catalogue has providers of your own, and takes no sample provider'
            USING ERRCODE = 'restrict_violation', HINT = 'the demo has a catalogue of its own';
    END IF;
    IF TG_OP = 'INSERT' AND NOT NEW.is_sample AND EXISTS (SELECT FROM provider WHERE is_sample AND enabled) THEN
        RAISE EXCEPTION 'this is the catalogue of the demo, and takes sample providers only'
            USING ERRCODE = 'restrict_violation',
            HINT = 'your own is used when PROVIDER_PIPELINE_HOME does not name the folder of the demo';
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION sample_providers_stay_apart() IS
    'Refuses sample providers beside providers of one''s own, the other way round, and a change of the mark.';

CREATE TRIGGER sample_providers_stay_apart
    BEFORE INSERT OR UPDATE OF is_sample, enabled ON provider
    FOR EACH ROW EXECUTE FUNCTION sample_providers_stay_apart();
