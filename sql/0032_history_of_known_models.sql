-- A change names a model that is in the table: the statement that records it has just written that model, and a sync
-- deletes none. A foreign key looked each model up again and locked its row. What it refused, taking a model away from
-- under its history, is still refused; no sync does that, so none pays for it.

ALTER TABLE provider_model_change DROP CONSTRAINT provider_model_change_model_fkey;

CREATE FUNCTION provider_model_keeps_its_history() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.provider_id, NEW.model_id) = (OLD.provider_id, OLD.model_id) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (
        SELECT
        FROM provider_model_change AS change
        WHERE change.provider_id = OLD.provider_id AND change.model_id = OLD.model_id
    ) THEN
        RAISE EXCEPTION 'provider_model: % of provider % has a history', OLD.model_id, OLD.provider_id
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION provider_model_keeps_its_history() IS
    'Refuses to delete a model, or to give it another id, while it has changes.';

CREATE TRIGGER provider_model_keeps_its_history
    AFTER DELETE OR UPDATE OF provider_id, model_id ON provider_model
    FOR EACH ROW EXECUTE FUNCTION provider_model_keeps_its_history();
