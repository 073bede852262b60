-- A rule version is never deleted or renumbered: that there is one is checked when it is named, and stays true. A foreign
-- key would look it up, and lock it, for each row; of a listing's models and changes, all name the same.

CREATE FUNCTION rule_versions_are_known() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    unknown record;
BEGIN
    SELECT named.provider_id, named.rule_version INTO unknown
    FROM (SELECT DISTINCT provider_id, rule_version FROM written) AS named
    WHERE NOT EXISTS (
        SELECT
        FROM rule_version AS known
        WHERE known.provider_id = named.provider_id AND known.version = named.rule_version
    )
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%: provider % has no rule version %', TG_TABLE_NAME, unknown.provider_id, unknown.rule_version
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION rule_versions_are_known() IS
    'Refuses rows that name a rule version that is not there: a foreign key, checked once for each statement.';

ALTER TABLE provider_model DROP CONSTRAINT provider_model_rule_version_fkey;
ALTER TABLE provider_model_change DROP CONSTRAINT provider_model_change_rule_version_fkey;

CREATE TRIGGER provider_model_rule_version_is_known_when_added
    AFTER INSERT ON provider_model
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rule_versions_are_known();

CREATE TRIGGER provider_model_rule_version_is_known_when_written
    AFTER UPDATE ON provider_model
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rule_versions_are_known();

CREATE TRIGGER provider_model_change_rule_version_is_known_when_added
    AFTER INSERT ON provider_model_change
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rule_versions_are_known();

CREATE TRIGGER provider_model_change_rule_version_is_known_when_written
    AFTER UPDATE ON provider_model_change
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rule_versions_are_known();
