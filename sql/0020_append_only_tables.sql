-- Append-only holds for TRUNCATE as well, which asks no row trigger.

CREATE TRIGGER api_audit_is_not_truncated
    BEFORE TRUNCATE ON api_audit
    FOR EACH STATEMENT EXECUTE FUNCTION api_audit_is_append_only();

CREATE FUNCTION rule_version_is_not_truncated() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rule versions are never deleted' USING ERRCODE = 'restrict_violation';
END
$$;

COMMENT ON FUNCTION rule_version_is_not_truncated() IS 'Refuses to empty the table of rule versions.';

CREATE TRIGGER rule_version_is_not_truncated
    BEFORE TRUNCATE ON rule_version
    FOR EACH STATEMENT EXECUTE FUNCTION rule_version_is_not_truncated();
