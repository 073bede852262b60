-- Adds events to the outbox, each key once.
INSERT INTO notification (event_key, kind, payload, provider_id, created_at, next_attempt_at)
SELECT event_key, kind, payload, provider_id, :now, :now
FROM jsonb_to_recordset(CAST(:news AS jsonb)) AS said (
    event_key text, kind text, payload jsonb, provider_id bigint
)
ORDER BY event_key
ON CONFLICT (event_key) DO NOTHING
RETURNING event_key
