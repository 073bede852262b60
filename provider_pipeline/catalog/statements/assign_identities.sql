-- Writes the identities (:assigned) that differ from the stored ones, and returns their number.
WITH assigned AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(CAST(:assigned AS json)) AS entry (
        provider_model_id bigint, canonical_id text, candidate_id text, lab text, family text, snapshot text,
        variant text, certainty text, source text, is_counted boolean, basis text, row_version text
    )
),
written AS (
    INSERT INTO model_identity AS old (
        provider_model_id, canonical_id, candidate_id, lab, family, snapshot, variant, certainty, source, is_counted,
        basis, row_version
    )
    SELECT
        provider_model_id, canonical_id, candidate_id, lab, family, snapshot, variant, certainty, source, is_counted,
        basis, row_version
    FROM assigned
    ORDER BY provider_model_id
    ON CONFLICT (provider_model_id) DO UPDATE
    SET canonical_id = excluded.canonical_id,
        candidate_id = excluded.candidate_id,
        lab = excluded.lab,
        family = excluded.family,
        snapshot = excluded.snapshot,
        variant = excluded.variant,
        certainty = excluded.certainty,
        source = excluded.source,
        is_counted = excluded.is_counted,
        basis = excluded.basis,
        row_version = excluded.row_version
    WHERE old IS DISTINCT FROM excluded
    RETURNING 1
)
SELECT count(*) FROM written
