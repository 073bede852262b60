-- Removal by misses and by time, renames, and changes that say why they came about: the table as of any past moment.

ALTER TABLE provider
    ADD removal_after integer NOT NULL DEFAULT 3,
    ADD removal_age interval NOT NULL DEFAULT interval '24 hours',
    ADD CONSTRAINT provider_removal_after_positive CHECK (removal_after > 0),
    ADD CONSTRAINT provider_removal_age_not_negative CHECK (removal_age >= interval '0');

COMMENT ON COLUMN provider.removal_after IS
    'Accepted listings in a row that must leave a model out before it counts as removed.';
COMMENT ON COLUMN provider.removal_age IS
    'How long ago a model must have been listed last, besides, before it counts as removed.';

ALTER TABLE provider_model
    ADD missing_since timestamptz,
    ADD renamed_from text,
    ADD renamed_to text,
    ADD overridden_fields text[] NOT NULL DEFAULT '{}';

UPDATE provider_model AS model
SET missing_since = coalesce(
    (
        SELECT max(change.changed_at)
        FROM provider_model_change AS change
        WHERE change.provider_id = model.provider_id
            AND change.model_id = model.model_id
            AND change.changed -> 'status' ->> 0 = 'active'
    ),
    model.removed_at,
    model.last_seen_at
)
WHERE model.status <> 'active';

ALTER TABLE provider_model
    ADD CONSTRAINT provider_model_missing_dated CHECK ((status = 'active') = (missing_since IS NULL)),
    ADD CONSTRAINT provider_model_renamed_when_gone CHECK (renamed_to IS NULL OR status <> 'active');

COMMENT ON COLUMN provider_model.missing_since IS
    'When the first of the listings without the model was accepted; NULL while it is active.';
COMMENT ON COLUMN provider_model.renamed_from IS
    'The id the same model had before, by name or by metadata; its first_seen_at was taken over. NULL if unknown.';
COMMENT ON COLUMN provider_model.renamed_to IS
    'The id the same model was listed by when this one was listed no more; NULL if there was none.';
COMMENT ON COLUMN provider_model.overridden_fields IS
    'The fields whose values people set: columns, or keys as capabilities.NAME and metadata_json.NAME; sorted.';

ALTER TABLE provider_model_change
    ADD raw_response_id bigint,
    ADD cause text NOT NULL DEFAULT 'provider',
    ADD CONSTRAINT provider_model_change_cause_known CHECK (cause IN ('provider', 'rule', 'override')),
    DROP CONSTRAINT provider_model_change_kind_known,
    ADD CONSTRAINT provider_model_change_kind_known CHECK (
        kind IN ('added', 'renamed', 'updated', 'missing', 'removed', 'restored')
    );

CREATE INDEX provider_model_change_provider_idx ON provider_model_change (provider_id, changed_at);

COMMENT ON COLUMN provider_model_change.kind IS 'added, renamed, updated, missing, removed or restored.';
COMMENT ON COLUMN provider_model_change.changed IS
    'Each changed column as {"column": [old, new]}. Empty for an added model, whose row has the values; for a renamed '
    'one, model_id is [old id, new id] and the other columns are compared with the old id''s row.';
COMMENT ON COLUMN provider_model_change.raw_response_id IS
    'The listing that was read. Not a foreign key: a stored listing is forgotten sooner than what it changed.';
COMMENT ON COLUMN provider_model_change.cause IS
    'provider: its listing says so; rule: another rule reads the listing; override: people set or ended a value.';

CREATE OR REPLACE VIEW provider_model_current AS
SELECT
    provider.slug,
    model.id,
    model.provider_id,
    model.model_id,
    model.display_name,
    model.family,
    model.context_length,
    model.max_output_tokens,
    model.input_modalities,
    model.output_modalities,
    model.input_price,
    model.output_price,
    model.capabilities,
    model.capability_sources,
    model.metadata_json,
    model.meta_hash,
    model.status,
    model.missing_count,
    model.first_seen_at,
    CASE
        WHEN model.status = 'active' THEN greatest(model.last_seen_at, provider_sync.last_success_at)
        ELSE model.last_seen_at
    END AS last_seen_at,
    model.removed_at,
    model.rule_version,
    model.missing_since,
    model.renamed_from,
    model.renamed_to,
    model.overridden_fields
FROM provider_model AS model
JOIN provider ON provider.id = model.provider_id
LEFT JOIN provider_sync ON provider_sync.provider_id = model.provider_id;

CREATE FUNCTION provider_models_as_of(moment timestamptz, provider_slug text DEFAULT NULL)
RETURNS TABLE (
    slug               text,
    id                 bigint,
    provider_id        bigint,
    model_id           text,
    display_name       text,
    family             text,
    context_length     bigint,
    max_output_tokens  bigint,
    input_modalities   text[],
    output_modalities  text[],
    input_price        numeric,
    output_price       numeric,
    capabilities       jsonb,
    capability_sources jsonb,
    metadata_json      jsonb,
    status             text,
    first_seen_at      timestamptz,
    missing_since      timestamptz,
    removed_at         timestamptz,
    rule_version       integer,
    renamed_from       text,
    renamed_to         text,
    overridden_fields  text[]
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
WITH wanted AS (
    SELECT provider.id, provider.slug
    FROM provider
    WHERE provider_slug IS NULL OR provider.slug = provider_slug
),
-- What came after the moment, and so has to be undone: of each column, the value before the first change of it.
later AS (
    SELECT
        change.provider_id,
        change.model_id,
        bool_or(change.kind IN ('added', 'renamed')) AS is_newer,
        jsonb_object_agg(field.key, field.value -> 0 ORDER BY change.id DESC) FILTER (WHERE field.key IS NOT NULL) AS was
    FROM wanted
    JOIN provider_model_change AS change ON change.provider_id = wanted.id
    LEFT JOIN LATERAL jsonb_each(change.changed) AS field (key, value) ON true
    WHERE change.changed_at > moment
    GROUP BY change.provider_id, change.model_id
)
SELECT
    wanted.slug,
    model.id,
    model.provider_id,
    model.model_id,
    past.display_name,
    past.family,
    past.context_length,
    past.max_output_tokens,
    past.input_modalities,
    past.output_modalities,
    past.input_price,
    past.output_price,
    past.capabilities,
    past.capability_sources,
    past.metadata_json,
    past.status,
    model.first_seen_at,
    CASE WHEN past.status <> 'active' THEN coalesce(earlier.missing_since, model.missing_since) END,
    CASE WHEN past.status = 'removed' THEN coalesce(earlier.removed_at, model.removed_at) END,
    coalesce(earlier.rule_version, model.rule_version),
    model.renamed_from,
    past.renamed_to,
    past.overridden_fields
FROM wanted
JOIN provider_model AS model ON model.provider_id = wanted.id
LEFT JOIN later ON later.provider_id = model.provider_id AND later.model_id = model.model_id
CROSS JOIN LATERAL jsonb_populate_record(model, coalesce(later.was, '{}')) AS past
-- Times and rule versions are not in the changes' columns: they are those of the changes up to the moment.
LEFT JOIN LATERAL (
    SELECT
        max(change.changed_at) FILTER (WHERE change.changed -> 'status' ->> 0 = 'active') AS missing_since,
        max(change.changed_at) FILTER (WHERE change.changed -> 'status' ->> 1 = 'removed') AS removed_at,
        (
            array_agg(change.rule_version ORDER BY change.id DESC)
            FILTER (WHERE change.kind NOT IN ('missing', 'removed'))
        )[1] AS rule_version
    FROM provider_model_change AS change
    WHERE later.model_id IS NOT NULL
        AND change.provider_id = model.provider_id
        AND change.model_id = model.model_id
        AND change.changed_at <= moment
) AS earlier ON true
WHERE later.is_newer IS NOT TRUE
$$;

COMMENT ON FUNCTION provider_models_as_of(timestamptz, text) IS
    'provider_model_current as it was at a past moment, of one provider or (without a slug) of all: the table of now '
    'with all later changes undone. Without last_seen_at, missing_count and meta_hash, which nobody writes down.';
