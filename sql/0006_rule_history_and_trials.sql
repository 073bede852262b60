-- Where every rule came from and what became of it, tasks that several workers share, and trials of a rule in shadow.

-- Rule versions: what a version says never changes; only its status does.

DROP TRIGGER rule_version_is_immutable ON rule_version;

ALTER TABLE rule_version
    ADD COLUMN parent_version integer,
    ADD COLUMN author text NOT NULL DEFAULT 'generator',
    ADD COLUMN created_by_id bigint,
    ADD COLUMN status text NOT NULL DEFAULT 'candidate',
    ADD CONSTRAINT rule_version_parent_fkey
        FOREIGN KEY (provider_id, parent_version) REFERENCES rule_version (provider_id, version),
    ADD CONSTRAINT rule_version_parent_is_older CHECK (parent_version < version),
    ADD CONSTRAINT rule_version_author_known CHECK (author IN ('generator', 'person', 'agent')),
    ADD CONSTRAINT rule_version_status_known CHECK (
        status IN ('candidate', 'active', 'retired', 'rejected', 'needs_review')
    );

UPDATE rule_version
SET
    author = CASE WHEN origin IN ('generated', 'regenerated') THEN 'generator' ELSE 'person' END,
    status = CASE
        WHEN EXISTS (
            SELECT 1
            FROM provider_metadata AS pointer
            WHERE pointer.provider_id = rule_version.provider_id AND pointer.version = rule_version.version
        ) THEN 'active'
        ELSE 'retired'
    END;

CREATE UNIQUE INDEX rule_version_one_active_idx ON rule_version (provider_id) WHERE status = 'active';

COMMENT ON TABLE rule_version IS
    'Every extraction rule a provider ever had. What a version says never changes; only its status does.';
COMMENT ON COLUMN rule_version.parent_version IS
    'The version that was active when this one was made; NULL for the first, and where it was not recorded.';
COMMENT ON COLUMN rule_version.author IS 'generator: the built-in one; person; agent: a program from outside.';
COMMENT ON COLUMN rule_version.created_by_id IS 'Who made it, in the operator''s own numbering; NULL if nobody said.';
COMMENT ON COLUMN rule_version.status IS
    'candidate: not decided yet; active: the one in use, at most one per provider; retired: was in use; '
    'needs_review: waits for a person; rejected: a person or a gate refused it.';

CREATE OR REPLACE FUNCTION rule_version_is_immutable() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        OLD.status := NEW.status;
        IF NEW *= OLD THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a rule version is immutable: add a new version instead'
        USING ERRCODE = 'restrict_violation';
END
$$;

COMMENT ON FUNCTION rule_version_is_immutable() IS 'Refuses every change to a stored rule version but one of its status.';

CREATE TRIGGER rule_version_is_immutable
    BEFORE UPDATE OR DELETE ON rule_version
    FOR EACH ROW EXECUTE FUNCTION rule_version_is_immutable();

CREATE FUNCTION rule_version_pointer_agrees() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    pointed integer;
    active  integer;
BEGIN
    SELECT version INTO pointed FROM provider_metadata WHERE provider_id = NEW.provider_id;
    SELECT version INTO active FROM rule_version WHERE provider_id = NEW.provider_id AND status = 'active';
    IF pointed IS DISTINCT FROM active THEN
        RAISE EXCEPTION 'provider %: provider_metadata points at rule version %, and the active one is %',
            NEW.provider_id, pointed, active
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION rule_version_pointer_agrees() IS
    'At commit: provider_metadata.version is the version whose status is active.';

CREATE CONSTRAINT TRIGGER rule_version_pointer_agrees
    AFTER INSERT OR UPDATE OF status ON rule_version
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION rule_version_pointer_agrees();

CREATE CONSTRAINT TRIGGER provider_metadata_pointer_agrees
    AFTER INSERT OR UPDATE OF version ON provider_metadata
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION rule_version_pointer_agrees();

-- Tasks: several workers take them, each one is given up and tried again, and a person may be asked.

-- Nobody held a claim before; what was left RUNNING is taken up again.
UPDATE agent_task SET status = 'PENDING' WHERE status = 'RUNNING';

ALTER TABLE agent_task
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN next_attempt_at timestamptz,
    ADD COLUMN claimed_by text,
    ADD COLUMN claimed_until timestamptz,
    ADD COLUMN proposed_version integer,
    ADD COLUMN report text,
    DROP CONSTRAINT agent_task_status_known,
    ADD CONSTRAINT agent_task_status_known CHECK (
        status IN ('PENDING', 'RUNNING', 'NEEDS_REVIEW', 'SUCCEEDED', 'FAILED', 'CANCELLED')
    ),
    ADD CONSTRAINT agent_task_attempts_not_negative CHECK (attempts >= 0),
    ADD CONSTRAINT agent_task_running_is_claimed CHECK (
        num_nulls(claimed_by, claimed_until) = CASE WHEN status = 'RUNNING' THEN 0 ELSE 2 END
    ),
    ADD CONSTRAINT agent_task_claimed_by_length CHECK (length(claimed_by) BETWEEN 1 AND 200),
    ADD CONSTRAINT agent_task_proposed_version_fkey
        FOREIGN KEY (provider_id, proposed_version) REFERENCES rule_version (provider_id, version);

DROP INDEX agent_task_one_open_idx;
CREATE UNIQUE INDEX agent_task_one_open_idx ON agent_task (provider_id, signature)
    WHERE type = 'RULE_GEN' AND status IN ('PENDING', 'RUNNING', 'NEEDS_REVIEW');

COMMENT ON COLUMN agent_task.status IS
    'PENDING, RUNNING or NEEDS_REVIEW while it is open; then SUCCEEDED, FAILED or CANCELLED.';
COMMENT ON COLUMN agent_task.config IS
    'What the agent needs: raw_response_id (or null), the issues, and evidence in words, if any.';
COMMENT ON COLUMN agent_task.attempts IS 'How often it was taken up since it was opened, or last retried by a person.';
COMMENT ON COLUMN agent_task.next_attempt_at IS 'When a PENDING task may be taken up; NULL for at once.';
COMMENT ON COLUMN agent_task.claimed_by IS 'The worker that has it; NULL unless RUNNING.';
COMMENT ON COLUMN agent_task.claimed_until IS
    'When the claim ends unless the worker extends it: then another may take the task. NULL unless RUNNING.';
COMMENT ON COLUMN agent_task.proposed_version IS
    'The rule version offered as the answer: to be judged while PENDING, waiting for a person while NEEDS_REVIEW.';
COMMENT ON COLUMN agent_task.report IS 'What the latest attempt found, for people, as Markdown.';

-- What became of each rule version, and why.

CREATE TABLE rule_version_event (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id   bigint NOT NULL,
    version       integer NOT NULL,
    status        text NOT NULL,
    reason        text NOT NULL,
    scores        jsonb,
    task_id       bigint REFERENCES agent_task (id),
    created_by_id bigint,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT rule_version_event_rule_version_fkey
        FOREIGN KEY (provider_id, version) REFERENCES rule_version (provider_id, version),
    CONSTRAINT rule_version_event_status_known CHECK (
        status IN ('candidate', 'active', 'retired', 'rejected', 'needs_review')
    ),
    CONSTRAINT rule_version_event_reason_given CHECK (length(reason) > 0),
    CONSTRAINT rule_version_event_scores_object CHECK (jsonb_typeof(scores) = 'object')
);

CREATE INDEX rule_version_event_rule_version_idx ON rule_version_event (provider_id, version);
CREATE INDEX rule_version_event_task_id_idx ON rule_version_event (task_id);

COMMENT ON TABLE rule_version_event IS 'Every status a rule version was given; rows are only added.';
COMMENT ON COLUMN rule_version_event.id IS 'Surrogate key; later events have higher ones.';
COMMENT ON COLUMN rule_version_event.provider_id IS 'The provider.';
COMMENT ON COLUMN rule_version_event.version IS 'Its rule version.';
COMMENT ON COLUMN rule_version_event.status IS 'The status it was given.';
COMMENT ON COLUMN rule_version_event.reason IS 'Why.';
COMMENT ON COLUMN rule_version_event.scores IS 'What the decision rests on, if it was measured.';
COMMENT ON COLUMN rule_version_event.task_id IS 'The task it answers; NULL if none.';
COMMENT ON COLUMN rule_version_event.created_by_id IS
    'Who decided, in the operator''s own numbering; NULL for the pipeline itself.';
COMMENT ON COLUMN rule_version_event.created_at IS 'When.';

INSERT INTO rule_version_event (provider_id, version, status, reason)
SELECT provider_id, version, status, 'its status when the history of rules began'
FROM rule_version
ORDER BY provider_id, version;

CREATE FUNCTION rule_version_event_is_only_added() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of rules is only added to' USING ERRCODE = 'restrict_violation';
END
$$;

COMMENT ON FUNCTION rule_version_event_is_only_added() IS 'Refuses every change to what is recorded of rules.';

CREATE TRIGGER rule_version_event_is_only_added
    BEFORE UPDATE OR DELETE OR TRUNCATE ON rule_version_event
    FOR EACH STATEMENT EXECUTE FUNCTION rule_version_event_is_only_added();

-- Trials: a rule that is not active reads every listing in shadow, and its scores add up.

CREATE TABLE rule_trial (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id   bigint NOT NULL,
    version       integer NOT NULL,
    started_at    timestamptz NOT NULL,
    until_syncs   integer,
    until_at      timestamptz,
    policy        text NOT NULL,
    status        text NOT NULL DEFAULT 'running',
    reason        text NOT NULL,
    created_by_id bigint,
    ended_at      timestamptz,
    end_reason    text,
    CONSTRAINT rule_trial_rule_version_fkey
        FOREIGN KEY (provider_id, version) REFERENCES rule_version (provider_id, version),
    CONSTRAINT rule_trial_has_an_end CHECK (num_nonnulls(until_syncs, until_at) > 0),
    CONSTRAINT rule_trial_until_syncs_positive CHECK (until_syncs > 0),
    CONSTRAINT rule_trial_until_at_later CHECK (until_at > started_at),
    CONSTRAINT rule_trial_policy_known CHECK (policy IN ('report', 'promote')),
    CONSTRAINT rule_trial_status_known CHECK (status IN ('running', 'finished', 'promoted', 'stopped')),
    CONSTRAINT rule_trial_reason_given CHECK (length(reason) > 0),
    CONSTRAINT rule_trial_end_dated CHECK (
        num_nulls(ended_at, end_reason) = CASE WHEN status = 'running' THEN 2 ELSE 0 END
    )
);

CREATE UNIQUE INDEX rule_trial_one_running_idx ON rule_trial (provider_id, version) WHERE status = 'running';

COMMENT ON TABLE rule_trial IS
    'A rule version on trial: it reads every listing beside the active one, and writes nothing.';
COMMENT ON COLUMN rule_trial.id IS 'Surrogate key.';
COMMENT ON COLUMN rule_trial.provider_id IS 'The provider.';
COMMENT ON COLUMN rule_trial.version IS 'The rule version on trial.';
COMMENT ON COLUMN rule_trial.started_at IS 'When it began.';
COMMENT ON COLUMN rule_trial.until_syncs IS 'It ends after so many syncs; NULL if only time ends it.';
COMMENT ON COLUMN rule_trial.until_at IS 'It ends then at the latest; NULL if only syncs end it.';
COMMENT ON COLUMN rule_trial.policy IS
    'What follows: report only tells the scores; promote activates the version if they are good enough.';
COMMENT ON COLUMN rule_trial.status IS
    'running; finished: it ran to its end and was not activated; promoted: activated; stopped: ended early.';
COMMENT ON COLUMN rule_trial.reason IS 'Why it was begun.';
COMMENT ON COLUMN rule_trial.created_by_id IS 'Who began it, in the operator''s own numbering; NULL if nobody said.';
COMMENT ON COLUMN rule_trial.ended_at IS 'When it ended; NULL while it runs.';
COMMENT ON COLUMN rule_trial.end_reason IS 'Why it ended as it did; NULL while it runs.';

CREATE TABLE rule_trial_result (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id        bigint NOT NULL REFERENCES rule_trial (id),
    raw_response_id bigint REFERENCES raw_response (id) ON DELETE SET NULL,
    seen_at         timestamptz NOT NULL,
    times_seen      integer NOT NULL DEFAULT 1,
    scores          jsonb NOT NULL,
    CONSTRAINT rule_trial_result_response_key UNIQUE (trial_id, raw_response_id),
    CONSTRAINT rule_trial_result_times_seen_positive CHECK (times_seen > 0),
    CONSTRAINT rule_trial_result_scores_object CHECK (jsonb_typeof(scores) = 'object')
);

CREATE INDEX rule_trial_result_raw_response_id_idx ON rule_trial_result (raw_response_id);

COMMENT ON TABLE rule_trial_result IS 'How a rule on trial did on one listing beside the active rule.';
COMMENT ON COLUMN rule_trial_result.id IS 'Surrogate key; later results have higher ones.';
COMMENT ON COLUMN rule_trial_result.trial_id IS 'The trial.';
COMMENT ON COLUMN rule_trial_result.raw_response_id IS
    'The stored listing, kept while the trial runs; NULL once it was forgotten.';
COMMENT ON COLUMN rule_trial_result.seen_at IS 'When this content was first read in the trial.';
COMMENT ON COLUMN rule_trial_result.times_seen IS 'Syncs of the trial that brought this content.';
COMMENT ON COLUMN rule_trial_result.scores IS 'The comparison with the active rule.';
