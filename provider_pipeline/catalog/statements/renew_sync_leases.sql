-- Extends leases, except those that another process has taken over.
UPDATE provider_sync_lease
SET expires_at = clock_timestamp() + :lasts
WHERE token = :token AND provider_id = ANY(:provider_ids)
