-- Whose a task's claim is, where it was made over the HTTP API: a name alone can be read, and so taken, by others.

ALTER TABLE agent_task
    ADD COLUMN claimed_token_id bigint REFERENCES api_token (id),
    ADD CONSTRAINT agent_task_token_has_claim CHECK (claimed_token_id IS NULL OR claimed_by IS NOT NULL);

COMMENT ON COLUMN agent_task.claimed_token_id IS
    'The API token that claimed it, without which nobody answers for its worker over the API; NULL for a claim of this '
    'program or of the command line, and unless RUNNING.';

COMMENT ON COLUMN api_token.scope IS
    'read: look at everything; sync: also sync providers, generate rules and work on tasks; admin: also change providers '
    'and decide about rules, tasks, overrides and listings that a guard holds.';
