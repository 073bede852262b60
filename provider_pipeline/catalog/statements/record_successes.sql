-- Records accepted listings. Keeps the profile of a replaced listing if none was kept for a seventh of the comparison
-- window.
WITH said AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(CAST(:accepted AS jsonb)) AS entry (
        provider_id bigint, validators jsonb, basis text, profile jsonb, raw_response_id bigint, rule_version integer,
        pattern_set text, result jsonb, window_days float8, begins_window boolean
    )
),
forgotten AS (
    DELETE FROM accepted_profile AS old
    USING said
    WHERE old.provider_id = said.provider_id
        AND (
            said.begins_window
            OR old.replaced_at <= CAST(:now AS timestamptz) - said.window_days * interval '1 day'
        )
),
kept AS (
    INSERT INTO accepted_profile (provider_id, replaced_at, profile)
    SELECT old.provider_id, :now, old.profile
    FROM said
    JOIN provider_sync AS old ON old.provider_id = said.provider_id
    WHERE NOT said.begins_window
        AND old.profile IS NOT NULL
        AND NOT EXISTS (
            SELECT
            FROM accepted_profile AS recent
            WHERE recent.provider_id = said.provider_id
                AND recent.replaced_at > CAST(:now AS timestamptz) - said.window_days * interval '1 day' / 7
        )
)
INSERT INTO provider_sync AS old (
    provider_id, last_checked_at, last_success_at, validators, basis, profile, raw_response_id, rule_version, pattern_set,
    last_result
)
SELECT provider_id, :now, :now, validators, basis, profile, raw_response_id, rule_version, pattern_set, result
FROM said
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
    pattern_set = excluded.pattern_set,
    last_result = excluded.last_result
