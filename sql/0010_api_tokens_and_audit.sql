-- Who may use the HTTP API, and what they changed through it.

CREATE TABLE api_token (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL,
    sha256        bytea NOT NULL,
    scope         text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    created_by_id bigint,
    expires_at    timestamptz,
    last_used_at  timestamptz,
    revoked_at    timestamptz,
    CONSTRAINT api_token_sha256_key UNIQUE (sha256),
    CONSTRAINT api_token_sha256_length CHECK (length(sha256) = 32),
    CONSTRAINT api_token_name_length CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT api_token_scope_known CHECK (scope IN ('read', 'sync', 'admin'))
);

CREATE UNIQUE INDEX api_token_one_of_a_name_idx ON api_token (name) WHERE revoked_at IS NULL;

COMMENT ON TABLE api_token IS 'Who may use the HTTP API. The tokens themselves are stored nowhere.';
COMMENT ON COLUMN api_token.id IS
    'Surrogate key; created_by_id of rules, tasks, overrides and decisions that came through the API.';
COMMENT ON COLUMN api_token.name IS 'What or who uses it; one token of a name is in use at a time.';
COMMENT ON COLUMN api_token.sha256 IS 'SHA-256 of the token, which has 256 random bits.';
COMMENT ON COLUMN api_token.scope IS
    'read: look at everything; sync: also sync providers, generate rules and work on tasks; admin: also change providers '
    'and decide about rules, tasks and overrides.';
COMMENT ON COLUMN api_token.created_at IS 'When it was made.';
COMMENT ON COLUMN api_token.created_by_id IS 'Who made it, in the operator''s own numbering; NULL if nobody said.';
COMMENT ON COLUMN api_token.expires_at IS 'When it stops being accepted; NULL for never.';
COMMENT ON COLUMN api_token.last_used_at IS 'When it was last used, to about a minute; NULL for never.';
COMMENT ON COLUMN api_token.revoked_at IS 'When it was revoked; NULL if it was not.';

CREATE TABLE api_audit (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    token_id bigint REFERENCES api_token (id),
    method   text NOT NULL,
    path     text NOT NULL,
    status   integer NOT NULL
);

CREATE INDEX api_audit_token_id_idx ON api_audit (token_id, id);

COMMENT ON TABLE api_audit IS
    'Every request to the HTTP API that could change something, whether it did or not. Rows are added, never changed.';
COMMENT ON COLUMN api_audit.id IS 'Surrogate key.';
COMMENT ON COLUMN api_audit.at IS 'When it was answered.';
COMMENT ON COLUMN api_audit.token_id IS 'Whose request it was; NULL where the API needs no token.';
COMMENT ON COLUMN api_audit.method IS 'The HTTP method.';
COMMENT ON COLUMN api_audit.path IS 'The path as it was sent, without the query.';
COMMENT ON COLUMN api_audit.status IS 'The status of the answer.';

CREATE FUNCTION api_audit_is_append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit of the API is append-only'
        USING ERRCODE = 'restrict_violation';
END
$$;

COMMENT ON FUNCTION api_audit_is_append_only() IS 'Refuses every change to what was noted.';

CREATE TRIGGER api_audit_is_append_only
    BEFORE UPDATE OR DELETE ON api_audit
    FOR EACH ROW EXECUTE FUNCTION api_audit_is_append_only();
