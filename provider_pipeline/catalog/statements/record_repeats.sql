-- Records that the last accepted listings were received again, unless another sync ended since or the lease was lost.
-- Validators that are not said have not changed.
WITH said AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:repeats AS jsonb)) AS said (
        provider_id bigint, raw_response_id bigint, basis text, validators jsonb, result jsonb
    )
),
own AS MATERIALIZED (
    SELECT lease.provider_id
    FROM provider_sync_lease AS lease
    JOIN said ON said.provider_id = lease.provider_id
    WHERE lease.token = :token
    FOR KEY SHARE OF lease
)
UPDATE provider_sync AS old
SET last_checked_at = greatest(old.last_checked_at, :now),
    last_success_at = greatest(old.last_success_at, :now),
    validators = coalesce(said.validators, old.validators),
    last_result = said.result
FROM said
JOIN own ON own.provider_id = said.provider_id
WHERE old.provider_id = said.provider_id
    AND old.consecutive_failures = 0
    AND old.raw_response_id IS NOT DISTINCT FROM said.raw_response_id
    AND old.basis IS NOT DISTINCT FROM said.basis
RETURNING old.provider_id
