-- Rules have most of their capability patterns in common, which are the longest part of them: whoever reads many rules
-- reads equal patterns once.

ALTER TABLE rule_version
    ADD COLUMN endpoints_digest text NOT NULL GENERATED ALWAYS AS (
        to_hex(jsonb_hash_extended(endpoints_config, 0)) || to_hex(jsonb_hash_extended(endpoints_config, 1))
    ) STORED;

CREATE INDEX rule_version_endpoints_digest_idx ON rule_version (endpoints_digest);

COMMENT ON COLUMN rule_version.endpoints_digest IS 'Tells equal endpoints_config apart from others, without reading it.';

CREATE OR REPLACE FUNCTION rule_version_is_immutable() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        OLD.status := NEW.status;
        OLD.endpoints_digest := NEW.endpoints_digest; -- is computed after this
        IF NEW *= OLD THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a rule version is immutable: add a new version instead'
        USING ERRCODE = 'restrict_violation';
END
$$;
