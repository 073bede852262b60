-- What people decide, one field at a time and until when, and what is to be told outside.

ALTER TABLE provider_model_override RENAME TO provider_model_override_by_model;
ALTER TABLE provider_model_override_by_model DROP CONSTRAINT provider_model_override_pkey;

CREATE TABLE provider_model_override (
    provider_id    bigint NOT NULL REFERENCES provider (id),
    model_id       text NOT NULL,
    field          text NOT NULL,
    override_value jsonb NOT NULL,
    reason         text NOT NULL,
    created_by_id  bigint,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz,
    listed_value   jsonb,
    listed_at      timestamptz,
    PRIMARY KEY (provider_id, model_id, field),
    CONSTRAINT provider_model_override_model_id_length CHECK (length(model_id) BETWEEN 1 AND 512),
    CONSTRAINT provider_model_override_field_known CHECK (
        field ~ '^(display_name|family|context_length|max_output_tokens|(in|out)put_(modalities|price))$'
        OR field ~ '^(capabilities|metadata_json)\..'
    ),
    CONSTRAINT provider_model_override_reason_given CHECK (length(reason) > 0),
    CONSTRAINT provider_model_override_listed_whole_or_absent CHECK ((listed_value IS NULL) = (listed_at IS NULL))
);

INSERT INTO provider_model_override (
    provider_id, model_id, field, override_value, reason, created_by_id, created_at, updated_at
)
SELECT
    old.provider_id,
    old.model_id,
    concat_ws('.', entry.key, part.key),
    coalesce(part.value, entry.value),
    old.reason,
    old.created_by_id,
    old.created_at,
    old.updated_at
FROM provider_model_override_by_model AS old
CROSS JOIN LATERAL jsonb_each(old.override_values) AS entry
LEFT JOIN LATERAL jsonb_each(
    CASE WHEN entry.key IN ('capabilities', 'metadata_json') AND jsonb_typeof(entry.value) = 'object' THEN entry.value END
) AS part ON true
-- Others had no effect: an override of a column that cannot be overridden was refused by every sync.
WHERE concat_ws('.', entry.key, part.key)
    ~ '^(display_name|family|context_length|max_output_tokens|(in|out)put_(modalities|price))$|^(capabilities|metadata_json)\..';

DROP TABLE provider_model_override_by_model;

COMMENT ON TABLE provider_model_override IS
    'Values people set for single fields of a model; every sync puts them over the listing''s, and never changes them.';
COMMENT ON COLUMN provider_model_override.provider_id IS 'The provider that lists the model.';
COMMENT ON COLUMN provider_model_override.model_id IS 'The model; it need not be listed yet.';
COMMENT ON COLUMN provider_model_override.field IS
    'A column of provider_model, or one key of a column that is merged: capabilities.NAME, metadata_json.NAME.';
COMMENT ON COLUMN provider_model_override.override_value IS
    'What holds instead of what is listed; JSON null says that nothing is known.';
COMMENT ON COLUMN provider_model_override.reason IS 'Why the listing is not right about this model.';
COMMENT ON COLUMN provider_model_override.created_by_id IS
    'Who set it last, in the operator''s own numbering; NULL if unknown.';
COMMENT ON COLUMN provider_model_override.created_at IS 'When it was first set.';
COMMENT ON COLUMN provider_model_override.updated_at IS 'When value, reason, author or end last changed.';
COMMENT ON COLUMN provider_model_override.expires_at IS
    'From then on the listing counts again, with the next sync; NULL for no end.';
COMMENT ON COLUMN provider_model_override.listed_value IS
    'What the listing itself says of the field, as last accepted; JSON null if nothing, NULL before that is known.';
COMMENT ON COLUMN provider_model_override.listed_at IS 'Since when the listing says so; NULL before that is known.';

CREATE TABLE guard_acceptance (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id     bigint NOT NULL REFERENCES provider (id),
    kinds           text[] NOT NULL,
    reason          text NOT NULL,
    author          text,
    created_by_id   bigint,
    raw_response_id bigint,
    created_at      timestamptz NOT NULL DEFAULT now(),
    used_at         timestamptz,
    CONSTRAINT guard_acceptance_kinds_given CHECK (cardinality(kinds) > 0 AND array_position(kinds, NULL) IS NULL),
    CONSTRAINT guard_acceptance_reason_given CHECK (length(reason) > 0)
);

CREATE INDEX guard_acceptance_provider_idx ON guard_acceptance (provider_id, created_at);

COMMENT ON TABLE guard_acceptance IS
    'Decisions of people that a listing which was held for what it changed is to be taken.';
COMMENT ON COLUMN guard_acceptance.id IS 'Surrogate key.';
COMMENT ON COLUMN guard_acceptance.provider_id IS 'The provider whose listing it is.';
COMMENT ON COLUMN guard_acceptance.kinds IS 'The kinds of guard that need not hold this time, sorted.';
COMMENT ON COLUMN guard_acceptance.reason IS 'Why the listing is right.';
COMMENT ON COLUMN guard_acceptance.author IS 'Who decided, by name; NULL if nobody said.';
COMMENT ON COLUMN guard_acceptance.created_by_id IS 'Who decided, in the operator''s own numbering; NULL if nobody said.';
COMMENT ON COLUMN guard_acceptance.raw_response_id IS
    'The stored listing it was decided about, if one. Not a foreign key: the decision is kept longer than the listing.';
COMMENT ON COLUMN guard_acceptance.created_at IS 'When it was decided.';
COMMENT ON COLUMN guard_acceptance.used_at IS 'When a listing was taken because of it; NULL until then.';

CREATE TABLE notification (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_key       text NOT NULL,
    kind            text NOT NULL,
    provider_id     bigint REFERENCES provider (id),
    payload         jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz DEFAULT now(),
    delivered_at    timestamptz,
    last_error      text,
    CONSTRAINT notification_event_key UNIQUE (event_key),
    CONSTRAINT notification_event_key_length CHECK (length(event_key) BETWEEN 1 AND 200),
    CONSTRAINT notification_kind_format CHECK (kind ~ '^[a-z][a-z_]*$'),
    CONSTRAINT notification_payload_object CHECK (jsonb_typeof(payload) = 'object'),
    CONSTRAINT notification_attempts_not_negative CHECK (attempts >= 0),
    CONSTRAINT notification_delivered_is_done CHECK (delivered_at IS NULL OR next_attempt_at IS NULL)
);

CREATE INDEX notification_due_idx ON notification (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX notification_provider_id_idx ON notification (provider_id);

COMMENT ON TABLE notification IS 'What is to be told outside, once for each event, until it is delivered or given up.';
COMMENT ON COLUMN notification.id IS 'Surrogate key.';
COMMENT ON COLUMN notification.event_key IS 'Names the event; a second notification of it is not taken in.';
COMMENT ON COLUMN notification.kind IS 'What kind of event, for example change_digest.';
COMMENT ON COLUMN notification.provider_id IS 'The provider it is about; NULL if it is about all.';
COMMENT ON COLUMN notification.payload IS 'What is told, as JSON.';
COMMENT ON COLUMN notification.created_at IS 'When the event was noted.';
COMMENT ON COLUMN notification.attempts IS 'How often a delivery was begun.';
COMMENT ON COLUMN notification.next_attempt_at IS
    'When it is due; while somebody delivers it, when their claim ends. NULL once it is delivered or given up.';
COMMENT ON COLUMN notification.delivered_at IS 'When it was delivered; NULL until then.';
COMMENT ON COLUMN notification.last_error IS 'Why the last attempt failed; NULL if none did.';
