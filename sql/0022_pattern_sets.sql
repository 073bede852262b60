-- Name patterns that rules share are stored once, by content; a rule names the set. Equal endpoints_config of many rules,
-- which the digest told apart from others, are rare since then.

CREATE TABLE pattern_set (
    digest          text PRIMARY KEY,
    name            text NOT NULL,
    patterns        jsonb NOT NULL,
    package_version text NOT NULL,
    status          text NOT NULL DEFAULT 'candidate',
    created_at      timestamptz NOT NULL DEFAULT now(),
    activated_at    timestamptz,
    report          jsonb,
    CONSTRAINT pattern_set_digest_format CHECK (digest ~ '^[0-9a-f]{64}$'),
    CONSTRAINT pattern_set_patterns_object CHECK (jsonb_typeof(patterns) = 'object'),
    CONSTRAINT pattern_set_report_object CHECK (jsonb_typeof(report) = 'object'),
    CONSTRAINT pattern_set_status_known CHECK (status IN ('candidate', 'active', 'retired'))
);

CREATE UNIQUE INDEX pattern_set_one_active_idx ON pattern_set (name) WHERE status = 'active';

COMMENT ON TABLE pattern_set IS
    'Contents of pattern sets: ordered name patterns by capability, which rules name instead of carrying them. Of each set, '
    'one content is active.';
COMMENT ON COLUMN pattern_set.digest IS 'SHA-256 of the patterns, as 64 hexadecimal digits.';
COMMENT ON COLUMN pattern_set.name IS 'The name in a rule''s pattern_set.';
COMMENT ON COLUMN pattern_set.patterns IS 'Capability to RE2 patterns, the first match deciding.';
COMMENT ON COLUMN pattern_set.package_version IS 'The version of provider-pipeline that brought this content first.';
COMMENT ON COLUMN pattern_set.status IS 'candidate, active or retired.';
COMMENT ON COLUMN pattern_set.created_at IS 'When it was stored.';
COMMENT ON COLUMN pattern_set.activated_at IS 'When it last became active.';
COMMENT ON COLUMN pattern_set.report IS
    'Its latest trial on stored listings: the content it was compared with, and the models whose capabilities differ.';

CREATE TABLE pattern_set_event (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest        text NOT NULL REFERENCES pattern_set (digest),
    status        text NOT NULL,
    reason        text NOT NULL,
    report        jsonb,
    created_by_id bigint,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pattern_set_event_status_known CHECK (status IN ('candidate', 'active', 'retired'))
);

CREATE INDEX pattern_set_event_digest_idx ON pattern_set_event (digest);

COMMENT ON TABLE pattern_set_event IS 'Every change of a content''s status, with who made it and why. Rows are only ever added.';
COMMENT ON COLUMN pattern_set_event.id IS 'Key; grows with time.';
COMMENT ON COLUMN pattern_set_event.digest IS 'The content.';
COMMENT ON COLUMN pattern_set_event.status IS 'Its new status.';
COMMENT ON COLUMN pattern_set_event.reason IS 'Why, in a line.';
COMMENT ON COLUMN pattern_set_event.report IS 'The trial that an activation rests on; NULL without one.';
COMMENT ON COLUMN pattern_set_event.created_by_id IS 'Who, in the operator''s own numbering; NULL: unknown, or the pipeline.';
COMMENT ON COLUMN pattern_set_event.created_at IS 'When.';

CREATE FUNCTION pattern_set_is_immutable() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        OLD.status := NEW.status;
        OLD.activated_at := NEW.activated_at;
        OLD.report := NEW.report;
        IF NEW *= OLD THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the content of a pattern set is immutable: add another one instead'
        USING ERRCODE = 'restrict_violation';
END
$$;

COMMENT ON FUNCTION pattern_set_is_immutable() IS
    'Refuses every change to a pattern set but those of its status and report.';

CREATE TRIGGER pattern_set_is_immutable
    BEFORE UPDATE OR DELETE ON pattern_set
    FOR EACH ROW EXECUTE FUNCTION pattern_set_is_immutable();

CREATE FUNCTION pattern_set_event_is_append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

COMMENT ON FUNCTION pattern_set_event_is_append_only() IS 'Refuses to change or remove rows.';

CREATE TRIGGER pattern_set_event_is_append_only
    BEFORE UPDATE OR DELETE ON pattern_set_event
    FOR EACH ROW EXECUTE FUNCTION pattern_set_event_is_append_only();

CREATE TRIGGER pattern_set_event_is_not_truncated
    BEFORE TRUNCATE ON pattern_set_event
    FOR EACH STATEMENT EXECUTE FUNCTION pattern_set_event_is_append_only();

CREATE TRIGGER pattern_set_is_not_truncated
    BEFORE TRUNCATE ON pattern_set
    FOR EACH STATEMENT EXECUTE FUNCTION pattern_set_event_is_append_only();

ALTER TABLE provider_sync ADD COLUMN pattern_set text;

COMMENT ON COLUMN provider_sync.pattern_set IS
    'Digest of the pattern set that was active when the last accepted listing was read; NULL: read before there were any.';

CREATE OR REPLACE FUNCTION rule_version_is_immutable() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        OLD.status := NEW.status;
        IF NEW *= OLD THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a rule version is immutable: add a new version instead'
        USING ERRCODE = 'restrict_violation';
END
$$;

ALTER TABLE rule_version DROP COLUMN endpoints_digest;
