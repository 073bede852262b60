-- Overrides by the thousand, from files: where they came from, patterns of models, and from when on they hold.

ALTER TABLE provider_model_override
    DROP CONSTRAINT provider_model_override_pkey,
    DROP CONSTRAINT provider_model_override_field_known,
    ADD id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ADD source     text NOT NULL DEFAULT 'person',
    ADD match      text NOT NULL DEFAULT 'model',
    ADD fills_gaps boolean NOT NULL DEFAULT false,
    ADD valid_from timestamptz,
    ADD source_url text,
    ADD CONSTRAINT provider_model_override_field_known CHECK (
        field IN (
            'display_name', 'family', 'context_length', 'max_input_tokens', 'max_output_tokens', 'input_modalities',
            'output_modalities', 'input_price', 'output_price', 'released_on', 'deprecated_on', 'retires_on',
            'knowledge_cutoff', 'successor_model_id'
        )
        OR field ~ '^(capabilities|metadata_json|prices)\..'
    ),
    ADD CONSTRAINT provider_model_override_match_known CHECK (match IN ('model', 'glob', 're2')),
    ADD CONSTRAINT provider_model_override_source_given CHECK (length(source) BETWEEN 1 AND 200),
    ADD CONSTRAINT provider_model_override_ends_after_start CHECK (expires_at > valid_from);

-- UNIQUE NULLS NOT DISTINCT needs PostgreSQL 15.
CREATE UNIQUE INDEX provider_model_override_key ON provider_model_override (
    provider_id, model_id, field, source, match, (coalesce(valid_from, '-infinity'::timestamptz))
);
CREATE INDEX provider_model_override_source_idx ON provider_model_override (source);

COMMENT ON COLUMN provider_model_override.id IS 'Surrogate key.';
COMMENT ON COLUMN provider_model_override.model_id IS
    'The model, or the pattern of models; they need not be listed yet.';
COMMENT ON COLUMN provider_model_override.field IS
    'A column of provider_model, or one key of a column that is merged: capabilities.NAME, prices.NAME, '
    'metadata_json.NAME.';
COMMENT ON COLUMN provider_model_override.source IS
    'person: set by itself. Otherwise the set that states it: a file or folder, or a peer''s price list.';
COMMENT ON COLUMN provider_model_override.match IS
    'What model_id is: model (an id), glob (* and ?), or re2 (a pattern of the whole id).';
COMMENT ON COLUMN provider_model_override.fills_gaps IS
    'Whether the value counts only where the listing says nothing; otherwise it wins over the listing.';
COMMENT ON COLUMN provider_model_override.valid_from IS
    'Since when the value holds; it is applied by the first sync from then on. NULL for always.';
COMMENT ON COLUMN provider_model_override.source_url IS 'The page that states the value; NULL if unknown.';
