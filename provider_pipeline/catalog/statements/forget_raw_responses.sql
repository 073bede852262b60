-- Deletes listings beyond their providers' retention settings, unless something refers to them.
WITH ranked AS (
    SELECT
        id,
        provider_id,
        last_fetched_at,
        row_number() OVER (PARTITION BY provider_id ORDER BY last_fetched_at DESC, id DESC) AS place
    FROM raw_response
    WHERE provider_id = ANY(:provider_ids)
),
forgettable AS (
    SELECT ranked.id
    FROM ranked
    JOIN provider ON provider.id = ranked.provider_id
    WHERE (place > provider.raw_keep_count OR last_fetched_at < now() - provider.raw_keep_for)
        AND NOT EXISTS (SELECT FROM rule_version WHERE sample_id = ranked.id)
        AND NOT EXISTS (SELECT FROM agent_task WHERE raw_response_id = ranked.id)
        AND NOT EXISTS (SELECT FROM provider_sync WHERE raw_response_id = ranked.id)
        AND NOT EXISTS (
            SELECT
            FROM rule_trial_result AS result
            JOIN rule_trial ON rule_trial.id = result.trial_id
            WHERE result.raw_response_id = ranked.id AND rule_trial.status = 'running'
        )
),
-- Skip a listing that is being stored again right now: it is not old, and waiting for it could deadlock.
free AS (
    SELECT id
    FROM raw_response
    WHERE id IN (SELECT id FROM forgettable)
    ORDER BY id
    FOR UPDATE SKIP LOCKED
),
deleted AS (
    DELETE FROM raw_response
    USING free
    WHERE raw_response.id = free.id
    RETURNING raw_response.id
)
SELECT count(*) FROM deleted
