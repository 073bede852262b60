-- What waits to be done, how each provider's last sync went, and the view that puts the two halves of "seen" together.

CREATE TABLE agent_task (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id     bigint NOT NULL REFERENCES provider (id),
    type            text NOT NULL DEFAULT 'RULE_GEN',
    status          text NOT NULL DEFAULT 'PENDING',
    signature       text NOT NULL,
    config          jsonb NOT NULL,
    raw_response_id bigint GENERATED ALWAYS AS (CAST(config ->> 'raw_response_id' AS bigint)) STORED
        REFERENCES raw_response (id),
    result          jsonb,
    created_by_id   bigint,
    created_at      timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    finished_at     timestamptz,
    CONSTRAINT agent_task_type_known CHECK (type IN ('RULE_GEN')),
    CONSTRAINT agent_task_status_known CHECK (
        status IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')
    ),
    CONSTRAINT agent_task_signature_length CHECK (length(signature) BETWEEN 1 AND 128),
    CONSTRAINT agent_task_config_object CHECK (jsonb_typeof(config) = 'object'),
    CONSTRAINT agent_task_finish_dated CHECK (
        (status IN ('SUCCEEDED', 'FAILED', 'CANCELLED')) = (finished_at IS NOT NULL)
    )
);

CREATE UNIQUE INDEX agent_task_one_open_idx ON agent_task (provider_id, signature)
    WHERE type = 'RULE_GEN' AND status IN ('PENDING', 'RUNNING');
CREATE INDEX agent_task_status_idx ON agent_task (status, created_at);
CREATE INDEX agent_task_raw_response_id_idx ON agent_task (raw_response_id);

COMMENT ON TABLE agent_task IS 'Work for an agent. RULE_GEN asks for a new extraction rule for a provider.';
COMMENT ON COLUMN agent_task.id IS 'Surrogate key.';
COMMENT ON COLUMN agent_task.provider_id IS 'The provider the task is about.';
COMMENT ON COLUMN agent_task.type IS 'RULE_GEN: generate a new extraction rule.';
COMMENT ON COLUMN agent_task.status IS 'PENDING, RUNNING, SUCCEEDED, FAILED or CANCELLED; the first two are open.';
COMMENT ON COLUMN agent_task.signature IS
    'What kind of failure caused it; a provider has at most one open RULE_GEN task per signature.';
COMMENT ON COLUMN agent_task.config IS 'What the agent needs: raw_response_id (or null) and the issues.';
COMMENT ON COLUMN agent_task.raw_response_id IS 'The stored listing that failed, taken from config.';
COMMENT ON COLUMN agent_task.result IS 'What came of it; NULL until there is something to say.';
COMMENT ON COLUMN agent_task.created_by_id IS
    'Who asked for it, in the operator''s own numbering; NULL for a sync of its own accord.';
COMMENT ON COLUMN agent_task.created_at IS 'When it was created.';
COMMENT ON COLUMN agent_task.started_at IS 'When it was last taken up; NULL before.';
COMMENT ON COLUMN agent_task.finished_at IS 'When it ended; NULL while it is open.';

CREATE TABLE provider_sync (
    provider_id          bigint PRIMARY KEY REFERENCES provider (id),
    last_checked_at      timestamptz NOT NULL,
    last_success_at      timestamptz,
    consecutive_failures integer NOT NULL DEFAULT 0,
    last_error_kind      text,
    last_error           text,
    etag                 text,
    profile              jsonb,
    raw_response_id      bigint REFERENCES raw_response (id),
    rule_version         integer,
    last_result          jsonb NOT NULL DEFAULT '{}'::jsonb,
    CONSTRAINT provider_sync_rule_version_fkey
        FOREIGN KEY (provider_id, rule_version) REFERENCES rule_version (provider_id, version),
    CONSTRAINT provider_sync_failures_not_negative CHECK (consecutive_failures >= 0),
    CONSTRAINT provider_sync_error_described CHECK (
        (consecutive_failures > 0) = (last_error_kind IS NOT NULL)
        AND (last_error_kind IS NULL) = (last_error IS NULL)
    ),
    CONSTRAINT provider_sync_profile_object CHECK (jsonb_typeof(profile) = 'object')
);

CREATE INDEX provider_sync_raw_response_id_idx ON provider_sync (raw_response_id);

COMMENT ON TABLE provider_sync IS 'How each provider''s latest sync went; no row before the first.';
COMMENT ON COLUMN provider_sync.provider_id IS 'The provider.';
COMMENT ON COLUMN provider_sync.last_checked_at IS 'When a sync last ended, well or badly.';
COMMENT ON COLUMN provider_sync.last_success_at IS
    'When a listing was last accepted whole; every active model was in it. NULL before the first.';
COMMENT ON COLUMN provider_sync.consecutive_failures IS 'Failed syncs since the last success.';
COMMENT ON COLUMN provider_sync.last_error_kind IS 'Kind of the latest failure; NULL after a success.';
COMMENT ON COLUMN provider_sync.last_error IS 'The latest failure in one line; NULL after a success.';
COMMENT ON COLUMN provider_sync.etag IS 'Validator of the last accepted listing, for conditional requests.';
COMMENT ON COLUMN provider_sync.profile IS 'Profile of the last accepted listing, which the next one is compared with.';
COMMENT ON COLUMN provider_sync.raw_response_id IS 'The last accepted listing.';
COMMENT ON COLUMN provider_sync.last_result IS
    'What the latest sync came to, well or badly: status, reason, counts, seconds.';
COMMENT ON COLUMN provider_sync.rule_version IS 'The rule version that read the last accepted listing.';

CREATE VIEW provider_model_current AS
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
    model.rule_version
FROM provider_model AS model
JOIN provider ON provider.id = model.provider_id
LEFT JOIN provider_sync ON provider_sync.provider_id = model.provider_id;

COMMENT ON VIEW provider_model_current IS
    'provider_model with the provider''s slug and the last_seen_at that is true now: an active model was in the last '
    'accepted listing, so provider_sync.last_success_at counts for it.';
COMMENT ON COLUMN provider_model_current.slug IS 'The provider''s slug.';
COMMENT ON COLUMN provider_model_current.last_seen_at IS 'When the model was last in an accepted listing.';
