-- The models every provider offers, what changed about them, and what people decided about them.

CREATE TABLE provider_model (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id        bigint NOT NULL REFERENCES provider (id),
    model_id           text NOT NULL,
    display_name       text,
    family             text,
    context_length     bigint,
    max_output_tokens  bigint,
    input_modalities   text[],
    output_modalities  text[],
    input_price        numeric,
    output_price       numeric,
    capabilities       jsonb NOT NULL DEFAULT '{}',
    capability_sources jsonb NOT NULL DEFAULT '{}',
    metadata_json      jsonb NOT NULL DEFAULT '{}',
    meta_hash          text NOT NULL,
    status             text NOT NULL DEFAULT 'active',
    missing_count      integer NOT NULL DEFAULT 0,
    first_seen_at      timestamptz NOT NULL,
    last_seen_at       timestamptz NOT NULL,
    removed_at         timestamptz,
    rule_version       integer NOT NULL,
    CONSTRAINT provider_model_model_id_key UNIQUE (provider_id, model_id),
    CONSTRAINT provider_model_rule_version_fkey
        FOREIGN KEY (provider_id, rule_version) REFERENCES rule_version (provider_id, version),
    CONSTRAINT provider_model_model_id_length CHECK (length(model_id) BETWEEN 1 AND 512),
    CONSTRAINT provider_model_context_length_positive CHECK (context_length > 0),
    CONSTRAINT provider_model_max_output_tokens_positive CHECK (max_output_tokens > 0),
    -- PostgreSQL sorts NaN above infinity, so the upper bound refuses both.
    CONSTRAINT provider_model_input_price_amount CHECK (input_price >= 0 AND input_price < 'infinity'),
    CONSTRAINT provider_model_output_price_amount CHECK (output_price >= 0 AND output_price < 'infinity'),
    CONSTRAINT provider_model_capabilities_object CHECK (jsonb_typeof(capabilities) = 'object'),
    CONSTRAINT provider_model_capability_sources_object CHECK (jsonb_typeof(capability_sources) = 'object'),
    CONSTRAINT provider_model_metadata_json_object CHECK (jsonb_typeof(metadata_json) = 'object'),
    CONSTRAINT provider_model_meta_hash_format CHECK (meta_hash ~ '^[0-9a-f]{64}$'),
    CONSTRAINT provider_model_status_known CHECK (status IN ('active', 'missing', 'removed')),
    CONSTRAINT provider_model_missing_counted CHECK (
        missing_count >= 0 AND (status = 'active') = (missing_count = 0)
    ),
    CONSTRAINT provider_model_removal_dated CHECK ((status = 'removed') = (removed_at IS NOT NULL)),
    CONSTRAINT provider_model_seen_in_order CHECK (first_seen_at <= last_seen_at)
);

CREATE INDEX provider_model_model_id_idx ON provider_model (model_id);
CREATE INDEX provider_model_absent_idx ON provider_model (provider_id, status) WHERE status <> 'active';

COMMENT ON TABLE provider_model IS
    'Every model every provider offers or offered. A sync writes only the rows that changed, and deletes none.';
COMMENT ON COLUMN provider_model.id IS 'Surrogate key.';
COMMENT ON COLUMN provider_model.provider_id IS 'The provider that lists the model.';
COMMENT ON COLUMN provider_model.model_id IS 'The model''s id, as requests to the provider name it.';
COMMENT ON COLUMN provider_model.display_name IS 'Name for people; NULL if the listing has none.';
COMMENT ON COLUMN provider_model.family IS 'Model family; NULL if unknown.';
COMMENT ON COLUMN provider_model.context_length IS 'Context window, in tokens; NULL if unknown.';
COMMENT ON COLUMN provider_model.max_output_tokens IS 'Longest answer, in tokens; NULL if unknown.';
COMMENT ON COLUMN provider_model.input_modalities IS 'What the model accepts, sorted; NULL if unknown.';
COMMENT ON COLUMN provider_model.output_modalities IS 'What the model produces, sorted; NULL if unknown.';
COMMENT ON COLUMN provider_model.input_price IS 'USD per 1,000,000 input tokens; NULL if unknown.';
COMMENT ON COLUMN provider_model.output_price IS 'USD per 1,000,000 output tokens; NULL if unknown.';
COMMENT ON COLUMN provider_model.capabilities IS 'Capability to true or false; an unknown capability is absent.';
COMMENT ON COLUMN provider_model.capability_sources IS
    'Capability to where it was learnt: override, evidence, lookup_table or regex.';
COMMENT ON COLUMN provider_model.metadata_json IS 'Further fields of the listing that the rule maps.';
COMMENT ON COLUMN provider_model.meta_hash IS 'SHA-256 of the meaningful columns; a sync compares it to find changes.';
COMMENT ON COLUMN provider_model.status IS
    'active: in the last accepted listing; missing: absent from it; removed: absent from several in a row.';
COMMENT ON COLUMN provider_model.missing_count IS 'Accepted listings in a row without the model.';
COMMENT ON COLUMN provider_model.first_seen_at IS 'When the model was first listed.';
COMMENT ON COLUMN provider_model.last_seen_at IS
    'When the model was last listed, as known when the row was last written: a sync leaves an unchanged row '
    'untouched. The view provider_model_current has the time that is true now.';
COMMENT ON COLUMN provider_model.removed_at IS 'When the status became removed; NULL otherwise.';
COMMENT ON COLUMN provider_model.rule_version IS 'The rule version that wrote the row''s values.';

CREATE TABLE provider_model_change (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id  bigint NOT NULL,
    model_id     text NOT NULL,
    kind         text NOT NULL,
    changed      jsonb NOT NULL DEFAULT '{}',
    rule_version integer NOT NULL,
    changed_at   timestamptz NOT NULL,
    CONSTRAINT provider_model_change_model_fkey
        FOREIGN KEY (provider_id, model_id) REFERENCES provider_model (provider_id, model_id),
    CONSTRAINT provider_model_change_rule_version_fkey
        FOREIGN KEY (provider_id, rule_version) REFERENCES rule_version (provider_id, version),
    CONSTRAINT provider_model_change_kind_known CHECK (
        kind IN ('added', 'updated', 'missing', 'removed', 'restored')
    ),
    CONSTRAINT provider_model_change_changed_object CHECK (jsonb_typeof(changed) = 'object')
);

CREATE INDEX provider_model_change_model_idx ON provider_model_change (provider_id, model_id, changed_at);
CREATE INDEX provider_model_change_changed_at_idx ON provider_model_change (changed_at);

COMMENT ON TABLE provider_model_change IS 'What each sync changed about the models; rows are only added.';
COMMENT ON COLUMN provider_model_change.id IS 'Surrogate key; later changes have higher ones.';
COMMENT ON COLUMN provider_model_change.provider_id IS 'The provider that lists the model.';
COMMENT ON COLUMN provider_model_change.model_id IS 'The model that changed.';
COMMENT ON COLUMN provider_model_change.kind IS 'added, updated, missing, removed or restored.';
COMMENT ON COLUMN provider_model_change.changed IS
    'Each changed column as {"column": [old, new]}; empty for an added model, whose row has the values.';
COMMENT ON COLUMN provider_model_change.rule_version IS 'The rule version that read the listing.';
COMMENT ON COLUMN provider_model_change.changed_at IS 'When the sync that noticed the change ran.';

CREATE TABLE provider_model_override (
    provider_id     bigint NOT NULL REFERENCES provider (id),
    model_id        text NOT NULL,
    override_values jsonb NOT NULL,
    reason          text NOT NULL,
    created_by_id   bigint,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider_id, model_id),
    CONSTRAINT provider_model_override_model_id_length CHECK (length(model_id) BETWEEN 1 AND 512),
    CONSTRAINT provider_model_override_values_object CHECK (jsonb_typeof(override_values) = 'object'),
    CONSTRAINT provider_model_override_reason_given CHECK (length(reason) > 0)
);

COMMENT ON TABLE provider_model_override IS
    'Values people set for a model; every sync puts them over the listing''s, and never changes them.';
COMMENT ON COLUMN provider_model_override.provider_id IS 'The provider that lists the model.';
COMMENT ON COLUMN provider_model_override.model_id IS 'The model; it need not be listed yet.';
COMMENT ON COLUMN provider_model_override.override_values IS
    'Columns of provider_model to their values; capabilities are merged one by one.';
COMMENT ON COLUMN provider_model_override.reason IS 'Why the listing is not right about this model.';
COMMENT ON COLUMN provider_model_override.created_by_id IS
    'Who set it, in the operator''s own numbering; NULL if unknown.';
COMMENT ON COLUMN provider_model_override.created_at IS 'When it was first set.';
COMMENT ON COLUMN provider_model_override.updated_at IS 'When it last changed.';
