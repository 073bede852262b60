-- Adds events to the outbox, each key once. Those of sample providers, and all that are of no one provider in the
-- catalogue of the demo, say so: a receiver sees nothing but the payload.
INSERT INTO notification (event_key, kind, payload, provider_id, created_at, next_attempt_at)
SELECT
    said.event_key,
    said.kind,
    CASE
        WHEN CASE
            WHEN said.provider_id IS NULL THEN EXISTS (SELECT FROM provider WHERE is_sample AND enabled)
            ELSE EXISTS (SELECT FROM provider WHERE is_sample AND id = said.provider_id)
        END THEN said.payload || jsonb_build_object('sample', true)
        ELSE said.payload
    END,
    said.provider_id,
    :now,
    :now
FROM jsonb_to_recordset(CAST(:news AS jsonb)) AS said (
    event_key text, kind text, payload jsonb, provider_id bigint
)
ORDER BY event_key
ON CONFLICT (event_key) DO NOTHING
RETURNING event_key
