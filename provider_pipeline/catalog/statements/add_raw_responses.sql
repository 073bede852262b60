-- Stores listings without their pages; known content only gets new timestamps.
WITH came AS (
    SELECT provider_id, sha256, complete, byte_count, page_count, coalesce(:fetched_at, now()) AS at
    FROM jsonb_to_recordset(CAST(:responses AS jsonb)) AS said (
        provider_id bigint, sha256 text, complete boolean, byte_count bigint, page_count integer
    )
),
added AS (
    INSERT INTO raw_response (provider_id, sha256, complete, byte_count, page_count, fetched_at, last_fetched_at)
    SELECT provider_id, sha256, complete, byte_count, page_count, at, at
    FROM came
    ORDER BY provider_id
    ON CONFLICT DO NOTHING
    RETURNING id, provider_id
),
again AS (
    UPDATE raw_response AS old
    SET fetched_at = least(old.fetched_at, came.at), last_fetched_at = greatest(old.last_fetched_at, came.at)
    FROM came
    WHERE old.provider_id = came.provider_id AND old.sha256 = came.sha256 AND old.complete = came.complete
    RETURNING old.id, old.provider_id
)
SELECT id, provider_id, true AS is_new FROM added
UNION ALL
SELECT id, provider_id, false FROM again
