-- Notes that listings were accepted.
INSERT INTO provider_sync AS old (
    provider_id, last_checked_at, last_success_at, validators, basis, profile, raw_response_id, rule_version, last_result
)
SELECT provider_id, :now, :now, validators, basis, profile, raw_response_id, rule_version, result
FROM jsonb_to_recordset(CAST(:accepted AS jsonb)) AS said (
    provider_id bigint, validators jsonb, basis text, profile jsonb, raw_response_id bigint, rule_version integer,
    result jsonb
)
ORDER BY provider_id
ON CONFLICT (provider_id) DO UPDATE
SET last_checked_at = greatest(old.last_checked_at, excluded.last_checked_at),
    last_success_at = greatest(old.last_success_at, excluded.last_success_at),
    consecutive_failures = 0,
    last_error_kind = NULL,
    last_error = NULL,
    validators = excluded.validators,
    basis = excluded.basis,
    profile = coalesce(excluded.profile, old.profile),
    raw_response_id = excluded.raw_response_id,
    rule_version = excluded.rule_version,
    last_result = excluded.last_result
